from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def limit_statements(connection: Any, seconds: float | None, deadline: float = 0.0) -> None:
    """Sets how long each statement of a connection may take: until the deadline, but `seconds` in any case.

    SQLite's only wait for each other, by a setting.

    Args:
        connection: a wrapper of Django's, or `django.db.connection`, which hands attributes on to this thread's.
    """
    connection.statement_seconds = seconds  # both are of core.postgresql.base
    connection.deadline = deadline


@contextmanager
def unprepared(connection: Any) -> Iterator[None]:
    """Prepares no statement: for one whose plan must suit its values.

    Sooner or later, PostgreSQL plans a prepared one for any values, and then reads the whole table for a few rows that
    are LIKE something.
    """
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    own = connection.connection
    threshold, own.prepare_threshold = own.prepare_threshold, None
    try:
        yield
    finally:
        own.prepare_threshold = threshold
