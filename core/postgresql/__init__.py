from django.db.backends.base.base import BaseDatabaseWrapper


def limit_statements(connection: BaseDatabaseWrapper, seconds: float | None, deadline: float = 0.0) -> None:
    """Sets how long each statement of a connection may take: until the deadline, but `seconds` in any case.

    SQLite's only wait for each other, by a setting.
    """
    vars(connection).update(statement_seconds=seconds, deadline=deadline)  # of core.postgresql.base
