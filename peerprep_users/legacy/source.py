"""Reading the earlier service's database: one snapshot of it, in a transaction that the server keeps from writing."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier

from core.errors import first_line
from peerprep_users.env import in_terms_of_libpq

ROWS_AT_ONCE = 2_000
URL = re.compile(r"postgres(ql)?(\+\w+)?(?P<address>://.*?)(\?(?P<query>[^@]*))?")
NEEDED_COLUMNS = {
    "users": ("id email password_hash name role is_verified failed_attempts locked_until created_at updated_at"),
    "attempts": "id user_id question_id language submitted_code passed_tests total_tests created_at",
    "user_question_status": "user_id question_id best_runtime_ms solved_at",
}


class SourceUser(NamedTuple):
    id: str
    email: str | None
    password_hash: str | None
    name: str | None
    role: str | None
    is_verified: bool | None
    locked_until: datetime | None
    created_at: datetime | None
    updated_at: datetime | None


class SourceAttempt(NamedTuple):
    id: str
    user_id: str
    question_id: int | None
    language: str | None
    submitted_code: str | None
    passed_tests: int | None
    total_tests: int | None
    created_at: datetime | None


class SourceStatus(NamedTuple):
    user_id: str
    question_id: int
    best_runtime_ms: int | None
    solved_at: datetime | None


class Unusable(Exception):
    """It is not the earlier service's database. The message is a sentence without secrets."""


def time_of(column: str) -> Composed:
    """Null where Python has no such time."""
    return SQL("CASE WHEN {0}::timestamptz BETWEEN '0002-01-01' AND '9998-01-01' THEN {0}::timestamptz END").format(
        Identifier(column)
    )


USERS = SQL(
    "SELECT id::text, email::text, password_hash::text, name::text, role::text, is_verified, {}, {}, {} FROM users "
    "ORDER BY created_at, id"
).format(time_of("locked_until"), time_of("created_at"), time_of("updated_at"))
# In the order of a user's history.
ATTEMPTS_OF = SQL(
    "SELECT id::text, user_id::text, question_id, language::text, submitted_code::text, passed_tests, total_tests, {} "
    "FROM attempts WHERE user_id::text = ANY(%s) ORDER BY created_at, id"
).format(time_of("created_at"))
STATUSES = SQL(
    "SELECT user_id::text, question_id, best_runtime_ms, {} FROM user_question_status WHERE user_id::text = ANY(%s)"
).format(time_of("solved_at"))
# Rows of users that are gone, or among those that are given.
ATTEMPTS_WITHOUT = SQL(
    "SELECT theirs.id::text, user_id::text FROM attempts theirs LEFT JOIN users ON users.id::text = user_id::text "
    "WHERE users.id IS NULL OR user_id::text = ANY(%s)"
)
STATUSES_WITHOUT = SQL(
    "SELECT question_id::text, user_id::text FROM user_question_status "
    "LEFT JOIN users ON users.id::text = user_id::text WHERE users.id IS NULL OR user_id::text = ANY(%s)"
)


class Source:
    def __init__(self, connection: psycopg.Connection[TupleRow]) -> None:
        self.connection = connection

    def count(self, table: str) -> int:
        row = self.connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table))).fetchone()
        return int(row[0]) if row else 0

    def users(self) -> Iterator[SourceUser]:
        return map(SourceUser._make, self.rows(USERS))

    def attempts(self, users: Collection[str]) -> Iterator[SourceAttempt]:
        return map(SourceAttempt._make, self.rows(ATTEMPTS_OF, list(users)))

    def statuses(self, users: Collection[str]) -> Iterator[SourceStatus]:
        return map(SourceStatus._make, self.rows(STATUSES, list(users)))

    def rows_without(self, table: str, users: Collection[str]) -> Iterator[tuple[str, str]]:
        """Of the rows of users that are gone, or among these: the attempt's id, or the question's, and the user's."""
        query = {"attempts": ATTEMPTS_WITHOUT, "user_question_status": STATUSES_WITHOUT}[table]
        return ((row[0], row[1]) for row in self.rows(query, list(users)))

    def rows(self, query: SQL | Composed, *parameters: Any) -> Iterator[TupleRow]:
        with self.connection.cursor(name="rows") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(query, parameters)
            yield from cursor


def connect(url: str) -> psycopg.Connection[TupleRow]:
    """The database of that URL, also as the earlier service has it: with `+asyncpg` and asyncpg's parameters.

    Raises:
        Unusable.
    """
    form = "The source must be postgresql://user:password@host:port/name, with %40 for any other @."
    parts = URL.fullmatch(url)
    # An @ in the password: libpq's message would show what follows as the host.
    if not parts or re.match(r"://[^/]*@[^/]*@", parts["address"]):
        raise Unusable(form)
    parameters: dict[str, Any] = {"connect_timeout": 10, **in_terms_of_libpq(parts["query"] or "")}
    try:
        return psycopg.connect(f"postgresql{parts['address']}", **parameters)
    except psycopg.ProgrammingError:  # libpq's message may quote the password
        raise Unusable(form) from None
    except psycopg.OperationalError as exc:
        raise Unusable(f"The source does not answer: {first_line(exc)}.") from None


@contextmanager
def snapshot(connection: psycopg.Connection[TupleRow], schema: str = "") -> Iterator[Source]:
    """What the database holds at this moment, until the connection is closed at the end.

    Args:
        schema: where the tables are; else where the connection finds them.

    Raises:
        Unusable.
    """
    with connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SET LOCAL TIME ZONE 'UTC'")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        if schema:
            connection.execute(SQL("SET LOCAL search_path TO {}").format(Identifier(schema)))
        for table, columns in NEEDED_COLUMNS.items():
            check_columns(connection, table, columns.split())
        yield Source(connection)


def check_columns(connection: psycopg.Connection[TupleRow], table: str, wanted: list[str]) -> None:
    query = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
    found = {row[0] for row in connection.execute(query, [table])}
    if missing := [name for name in wanted if name not in found]:
        raise Unusable(
            f"The source is not the earlier service's database: its table {table} lacks {', '.join(missing)}."
            if found
            else f"The source is not the earlier service's database: it has no table {table}."
        )
