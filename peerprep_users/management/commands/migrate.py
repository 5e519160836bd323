"""`manage.py migrate`, one at a time for each database, and never over the tables of the earlier service."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

from accounts.management.base import USAGE, add_yes_argument, can_ask, confirm
from core.postgresql import limit_statements
from core.schema_lock import schema_lock
from peerprep_users.legacy.detection import TAKE_OVER, holds_earlier_tables

TRIES = 10
PAUSE_SECONDS = 1.0  # in which those go on that have waited


class Command(migrate.Command):
    """Waits for those that are running, then finds what they have left to do."""

    may_ask = may_go_back = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_yes_argument(parser)

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        """Called before each step. What starts meanwhile waits for the answer: its tables may be about to go."""
        if action == "unapply_start" and not (self.may_go_back or fake):
            loss = f"This reverses migrations, {migration} first, which may delete what is stored."
            if not self.may_ask:
                raise CommandError(f"{loss} Use --yes.", returncode=USAGE)
            confirm(f"{loss} Go on?", yes=False)
            self.may_go_back = True
        super().migration_progress_callback(action, migration, fake)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Not only `handle`: the checks before it query the database too."""
        connection = connections[options["database"]]
        self.may_ask, self.may_go_back = options["interactive"] and can_ask(), options["yes"]
        limit_statements(connection, None)
        with schema_lock(connection):
            if holds_earlier_tables(connection):
                raise CommandError(TAKE_OVER)
            for _ in range(TRIES):
                try:
                    return super().execute(*args, **options)
                except OperationalError as exc:
                    if not isinstance(exc.__cause__, LockNotAvailable):
                        raise
                    self.stderr.write("A table is in use. Trying again.")
                    time.sleep(PAUSE_SECONDS)
            raise CommandError("A table is in use for long. What is not applied yet can be applied later.")
