"""One database for both services: the earlier tables move to a schema of their own, and back."""

from collections.abc import Sequence

import psycopg
from django.db import connection, transaction
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier

from peerprep_users.legacy.detection import holds_earlier_tables

SCHEMA = "legacy"
TABLES = ("users", "attempts", "user_question_status", "refresh_tokens", "password_resets", "alembic_version")
# Parameters of Django's connection that are not libpq's.
DJANGO_ONLY = {"cursor_factory", "context", "prepare_threshold"}


def is_moved() -> bool:
    """Whether the earlier tables are in their schema."""
    return bool(tables_in(SCHEMA) & {"users"})


def tables_in(schema: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema])
        return {row[0] for row in cursor.fetchall()}


def current_schema() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(cursor.fetchone()[0])


def moving() -> list[str]:
    """The statements that move the earlier tables away; none if they are not where ours belong."""
    if not holds_earlier_tables(connection):
        return []
    here = current_schema()
    return [as_text(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(SCHEMA))), *moves(here, SCHEMA)]


def moving_back() -> list[str]:
    """The statements that delete our tables, and move the earlier ones back to their place."""
    here = current_schema()
    ours = connection.introspection.django_table_names(only_existing=True)
    names = sorted({*ours, "django_migrations"} & tables_in(here)) if not holds_earlier_tables(connection) else []
    drop = SQL("DROP TABLE {}").format(SQL(", ").join(Identifier(here, name) for name in names))
    functions = SQL("DROP FUNCTION IF EXISTS {}()").format(Identifier(here, "audit_append_only"))
    deleting = [as_text(drop), as_text(functions)] if names else []
    return [*deleting, *moves(SCHEMA, here), as_text(SQL("DROP SCHEMA {}").format(Identifier(SCHEMA)))]


def moves(source: str, target: str) -> list[str]:
    statement = SQL("ALTER TABLE {} SET SCHEMA {}")
    there = tables_in(source)
    return [as_text(statement.format(Identifier(source, name), Identifier(target))) for name in TABLES if name in there]


def as_text(statement: Composed) -> str:
    return statement.as_string()


@transaction.atomic
def execute(statements: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def only_here() -> tuple[int, int]:
    """How many users and attempts are in our tables alone, if those are there."""
    if "users" not in tables_in(current_schema()):
        return 0, 0
    with connection.cursor() as cursor:
        counts = []
        for table in ("users", "attempts"):
            # NOT IN would compare each with each, if there are more than `work_mem` holds.
            cursor.execute(
                f"SELECT count(*) FROM {table} ours WHERE NOT EXISTS "  # noqa: S608
                f"(SELECT FROM {SCHEMA}.{table} theirs WHERE lower(theirs.id::text) = ours.id::text)"
            )
            counts.append(int(cursor.fetchone()[0]))
    return counts[0], counts[1]


def connect_again() -> "psycopg.Connection[TupleRow]":
    """A second connection to our own database."""
    parameters = connection.get_connection_params()
    return psycopg.connect(**{name: value for name, value in parameters.items() if name not in DJANGO_ONLY})
