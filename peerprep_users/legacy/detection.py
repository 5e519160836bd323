"""Knowing the database of the earlier service, so that nothing is written into it by mistake."""

from django.db import Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper

TAKE_OVER = (
    "DATABASE_URL names the database of the earlier service. Run `manage.py import_legacy --in-place`, or set it to a "
    "new database and run `manage.py import_legacy --source URL`: see docs/migration.md."
)


def holds_earlier_tables(connection: BaseDatabaseWrapper) -> bool:
    """Whether `users` is the earlier service's, whose rows have `failed_attempts`."""
    with connection.cursor() as cursor:
        if "users" not in connection.introspection.table_names(cursor):
            return False
        columns = connection.introspection.get_table_description(cursor, "users")
    return any(column.name == "failed_attempts" for column in columns)


def found_at_start() -> bool:
    """The same for a process that starts, and waits for a database that does not answer yet."""
    try:
        return holds_earlier_tables(connection)
    except Error:
        return False
    finally:
        connection.close()  # processes that are forked later must not share it
