"""A connection to PostgreSQL: prepared statements, and how long one may take."""

from collections.abc import Iterator

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import NotSupportedError, OperationalError

from core.postgresql import limit_statements, unprepared
from core.postgresql.base import STATEMENT_SECONDS

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has none")

ASKED = "SELECT * FROM prepared"


@pytest.fixture
def database(transactional_db: None) -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own, which has asked the same thing until it was prepared."""
    own = connections.create_connection("default")
    ask(own, "CREATE TABLE prepared (short varchar(8))")
    for _ in range(10):
        ask(own, ASKED)
    yield own
    ask(own, "DROP TABLE prepared")
    own.close()


def ask(own: BaseDatabaseWrapper, statement: str) -> None:
    with own.cursor() as cursor:
        cursor.execute(statement)


def test_what_is_asked_again_and_again_is_prepared(database: BaseDatabaseWrapper) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        assert (ASKED,) in cursor.fetchall()


def test_what_is_to_be_planned_for_its_values_is_not_prepared(database: BaseDatabaseWrapper) -> None:
    one, other = "SELECT short FROM prepared", "SELECT count(*) FROM prepared"
    for _ in range(10):
        with unprepared(database):
            ask(database, one)
        ask(database, other)
    with database.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        prepared = cursor.fetchall()
    assert (one,) not in prepared and (other,) in prepared


def test_a_migration_disturbs_a_connection_only_once(database: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE prepared ALTER short TYPE varchar(9)")
    with pytest.raises(NotSupportedError, match="cached plan"):
        ask(database, ASKED)
    database.close_if_unusable_or_obsolete()  # as at the end of a request
    ask(database, ASKED)


def test_the_connection_of_this_thread_can_be_limited(transactional_db: None) -> None:
    limit_statements(connection, 0.1)
    with pytest.raises(OperationalError, match=r"no result within 0\.1 s"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(2)")
    limit_statements(connection, STATEMENT_SECONDS)
    connection.close()
