"""`manage.py migrate`, one at a time for each database."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from core.postgresql import limit_statements
from core.schema_lock import schema_lock


class Command(migrate.Command):
    """Waits for those that are running, then finds what they have left to do."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Not only `handle`: the checks before it query the database too."""
        connection = connections[options["database"]]
        limit_statements(connection, None)
        with schema_lock(connection):
            return super().execute(*args, **options)
