from typing import Any


def limit_statements(connection: Any, seconds: float | None, deadline: float = 0.0) -> None:
    """Sets how long each statement of a connection may take: until the deadline, but `seconds` in any case.

    SQLite's only wait for each other, by a setting.

    Args:
        connection: a wrapper of Django's, or `django.db.connection`, which hands attributes on to this thread's.
    """
    connection.statement_seconds = seconds  # both are of core.postgresql.base
    connection.deadline = deadline
