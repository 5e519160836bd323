from django.db.backends.base.base import BaseDatabaseWrapper


def limit_statements(connection: BaseDatabaseWrapper, seconds: float | None) -> None:
    """Sets how long each statement of a connection may take. SQLite's only wait for each other, by a setting."""
    connection.statement_seconds = seconds  # type: ignore[attr-defined]  # of core.postgresql.base
