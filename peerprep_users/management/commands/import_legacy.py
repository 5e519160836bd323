from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import psycopg
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import Error as DatabaseError
from django.db import ProgrammingError, connection
from tqdm import tqdm

from accounts.management.base import USAGE, Operation, add_yes_argument, confirm, file, open_new, whole_number
from core.errors import first_line
from core.postgresql import limit_statements
from core.schema_lock import schema_lock
from peerprep_users.admin_site import daily_stats
from peerprep_users.legacy import in_place
from peerprep_users.legacy.detection import TAKE_OVER, holds_earlier_tables
from peerprep_users.legacy.importing import Importer
from peerprep_users.legacy.report import Report
from peerprep_users.legacy.source import Source, Unusable, connect, snapshot
from peerprep_users.legacy.summary import counts_of, facts_of, reasons_of, reconciliation_of
from peerprep_users.legacy.target import analyze
from peerprep_users.models import DailyFigure

REPORTED, FAILED = 1, 2
USERS_AT_ONCE = 5_000
MOST_AT_ONCE = 30_000  # each is a parameter, of which SQLite takes 32,766


@contextmanager
def created(path: Path) -> Iterator[IO[str]]:
    try:
        report = open_new(path)  # it holds addresses
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}.", returncode=FAILED) from None
    with report:
        yield report


@contextmanager
def failures_in_a_line() -> Iterator[None]:
    try:
        yield
    except Unusable as exc:
        raise CommandError(str(exc), returncode=FAILED) from None
    except (psycopg.Error, DatabaseError) as exc:
        problem = first_line(exc)
        is_older = isinstance(exc, ProgrammingError) or problem.startswith("no such ")
        remedy = "Run `manage.py migrate`" if is_older else "Run it again to go on"
        raise CommandError(f"It stopped: {problem}. {remedy}.", returncode=FAILED) from exc


def reach_database() -> None:
    try:
        connection.ensure_connection()
    except DatabaseError as exc:
        raise CommandError(f"The database does not answer: {first_line(exc)}.", returncode=FAILED) from None


class Command(Operation):
    help = (
        "Takes over the users and attempts of the earlier service. Run it again after an interruption: what is there "
        "stays as it is. Exit code 0: all rows were taken over as they were; 1: some were not, and are reported; 2: it "
        "could not run to its end, or what is stored differs from what was read."
    )
    examples = """
import_legacy --source postgresql://postgres@db.example/users --dry-run --report rehearsal.jsonl
import_legacy --source postgresql://postgres@db.example/users --report import.jsonl
import_legacy --in-place    # where DATABASE_URL names the earlier database itself
import_legacy --undo        # restores what --in-place has moved
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--source", metavar="URL", help="the earlier database, which is only read")
        what.add_argument("--in-place", action="store_true", help="move its tables to the schema legacy, then import")
        what.add_argument("--undo", action="store_true", help="delete our tables and move the earlier ones back")
        parser.add_argument("--dry-run", action="store_true", help="read and check everything, write nothing")
        parser.add_argument("--report", type=file, metavar="FILE", help="a new file: a line of JSON for each problem")
        at_once = whole_number(1, MOST_AT_ONCE)
        parser.add_argument(
            "--users-at-once", type=at_once, default=USERS_AT_ONCE, metavar="N", help="in each transaction"
        )
        add_yes_argument(parser)

    def handle(self, *args: Any, source: str | None, undo: bool, dry_run: bool, **options: Any) -> None:
        report = options["report"]
        if report and report.exists():  # said before tables are moved
            raise CommandError(f"{report}: File exists.", returncode=FAILED)
        if not (source and dry_run):
            reach_database()
        with failures_in_a_line():
            if source:
                if not dry_run and holds_earlier_tables(connection):
                    raise CommandError(TAKE_OVER, returncode=FAILED)
                self.take_over(snapshot(connect(source)), dry_run=dry_run, **options)
                return
            if connection.vendor != "postgresql":
                raise CommandError("DATABASE_URL must name the earlier database, on PostgreSQL.", returncode=USAGE)
            if undo:
                self.move_back(dry_run=dry_run, yes=options["yes"])
            else:
                self.import_in_place(dry_run=dry_run, **options)

    def show(self, *lines: str) -> None:
        """What a question is about. With `--json` it is written to standard error, like the question."""
        for line in lines:
            (self.stderr if self.as_json else self.stdout).write(line)

    # --- In place

    def import_in_place(self, *, dry_run: bool, yes: bool, **options: Any) -> None:
        statements = in_place.moving()
        if not statements and not in_place.is_moved():
            raise CommandError("This database has no tables of the earlier service.", returncode=FAILED)
        if statements:
            self.show(*(f"{statement};" for statement in statements))
        if not dry_run:
            if statements:
                confirm("Run these statements, then migrate and import?", yes=yes)
                in_place.execute(statements)
            call_command("migrate", verbosity=0, interactive=False)
        schema = in_place.SCHEMA if in_place.is_moved() else ""
        self.take_over(snapshot(in_place.connect_again(), schema), dry_run=dry_run, **options)

    def move_back(self, *, dry_run: bool, yes: bool) -> None:
        if not in_place.is_moved():
            raise CommandError("There are no tables of the earlier service to move back.", returncode=FAILED)
        statements = in_place.moving_back()
        self.show(*(f"{statement};" for statement in statements))
        limit_statements(connection, None)
        users, attempts = in_place.only_here()
        self.show(f"This loses what the earlier tables do not have: users: {users}, attempts: {attempts}.")
        lost = {"users": users, "attempts": attempts}
        if dry_run:
            self.report("Nothing was written.", lost=lost)
            return
        confirm("Run these statements?", yes=yes)
        in_place.execute(statements)
        self.report("The earlier tables are where they were.", lost=lost)

    # --- The import

    def take_over(
        self,
        opening: AbstractContextManager[Source],
        *,
        dry_run: bool,
        report: Path | None,
        users_at_once: int,
        **options: Any,
    ) -> None:
        with opening as source, created(report) if report else nullcontext() as lines:
            importer = Importer(source, Report(lines), users_at_once)
            with tqdm(total=importer.rows, unit="rows", leave=False, disable=None) as bar:
                if dry_run:
                    importer.rehearse(bar.update)
                else:
                    with schema_lock(connection):
                        importer.run(bar.update)
        self.conclude(importer, dry_run=dry_run)

    def conclude(self, importer: Importer, *, dry_run: bool) -> None:
        imported, problems = importer.result.imported, importer.report.counts.total()
        is_failed = not dry_run and not importer.is_sound
        if imported.total() and not dry_run:
            analyze()
            self.count_days()
        if dry_run:
            numbers = f"users: {imported['users']}, attempts: {imported['attempts']}"
            verdict = f"Nothing was written. An empty database would get {numbers}."
        elif is_failed:
            verdict = "What is stored differs from what was read."
        elif imported.total():
            verdict = f"Imported: users: {imported['users']}, attempts: {imported['attempts']}."
        else:
            verdict = "There was nothing left to import."
        if problems:
            left_out = [f"{name}: {importer.report.not_imported(name)}" for name in importer.counts]
            verdict += f" Left out: {', '.join(left_out)}. Problems: {problems}."
        reconciliation = [] if dry_run else reconciliation_of(importer.result)
        self.report(
            verdict,
            [*counts_of(importer, dry_run=dry_run), *reasons_of(importer.report), *reconciliation],
            ok=not problems and not is_failed,
            returncode=FAILED if is_failed else REPORTED,
            **facts_of(importer, dry_run=dry_run),
        )

    def count_days(self) -> None:
        """Counts the figures of days again that have been counted; the background worker counts the others."""
        if DailyFigure.objects.exists():
            with tqdm(total=daily_stats.DAYS_SHOWN, desc="figures", unit="days", leave=False, disable=None) as bar:
                daily_stats.recount_days(progress=bar.update)
