"""`manage.py migrate`, one at a time for each database, and never over the tables of the earlier service."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections

from core.postgresql import limit_statements
from core.schema_lock import schema_lock
from peerprep_users.legacy.detection import TAKE_OVER, holds_earlier_tables


class Command(migrate.Command):
    """Waits for those that are running, then finds what they have left to do."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Not only `handle`: the checks before it query the database too."""
        connection = connections[options["database"]]
        limit_statements(connection, None)
        with schema_lock(connection):
            if holds_earlier_tables(connection):
                raise CommandError(TAKE_OVER)
            return super().execute(*args, **options)
