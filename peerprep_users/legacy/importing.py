"""The import: batches of users with all that is theirs, each in one transaction and read back after it.

A row whose id is there already stays as it is. So an import that was killed is resumed by the next run, which imports
what is missing; a further run imports nothing. Every run reads the whole source, so its report is whole.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b, md5
from typing import Any
from uuid import UUID

from django.template.defaultfilters import pluralize
from django.utils import timezone

from accounts.audit.log import Actor, Kind, record
from accounts.models import User
from attempts.models import LARGEST
from peerprep_users.legacy import target
from peerprep_users.legacy.accounts import Account, ChosenAccounts, Refused, choose
from peerprep_users.legacy.attempts import NewAttempt, attempt_of
from peerprep_users.legacy.report import Reason, Report
from peerprep_users.legacy.source import ROWS_AT_ONCE, Source, SourceAttempt, SourceStatus

Question = tuple[UUID, int]  # the user, and the question's number

SAME_TIME = timedelta(minutes=1)  # between an earlier status and the attempt that it was written with


def checksum(*values: Any) -> int:
    return int.from_bytes(blake2b("|".join(map(str, values)).encode(), digest_size=8).digest())


@dataclass
class Checksum:
    """Of rows in any order: how many, and the sum of their digests."""

    rows: int = 0
    total: int = 0

    def add(self, row: int) -> None:
        self.rows += 1
        self.total = (self.total + row) % 2**64

    def __str__(self) -> str:
        return f"{self.rows} row{pluralize(self.rows)} {self.total:016x}"


@dataclass
class Result:
    """By table: what was imported or was there already, and the checksums of what was read and of what was stored."""

    imported: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    read: dict[str, Checksum] = field(default_factory=lambda: {"users": Checksum(), "attempts": Checksum()})
    stored: dict[str, Checksum] = field(default_factory=lambda: {"users": Checksum(), "attempts": Checksum()})
    different: list[str] = field(default_factory=list)  # the rows that are not stored as they were read

    def compare(self, table: str, expected: dict[UUID, int], rows: Iterable[tuple[UUID, int]]) -> None:
        found = {id_: row for id_, row in rows if id_ in expected}
        for id_, row in expected.items():
            self.read[table].add(row)
            if id_ in found:
                self.stored[table].add(found[id_])
            if found.get(id_) != row:
                self.different.append(f"{table} {id_}")


class Importer:
    def __init__(self, source: Source, report: Report, users_at_once: int) -> None:
        self.source, self.report, self.users_at_once = source, report, users_at_once
        self.counts = {table: source.count(table) for table in ("users", "attempts")}
        self.rows = sum(self.counts.values())
        self.progress: Callable[[int], object] = lambda rows: None
        self.result = Result()

    def rehearse(self, progress: Callable[[int], object]) -> None:
        """Reads and validates everything, and does not look at our own tables."""
        self.progress = progress
        choice = self.choose()
        for accounts in target.batches(choice.accounts, self.users_at_once):
            Batch(self, accounts).rehearse()
        self.report_rows_without(choice.refused)

    def run(self, progress: Callable[[int], object]) -> None:
        self.progress = progress
        choice = self.choose()
        refused = choice.refused
        for accounts in target.batches(choice.accounts, self.users_at_once):
            refused |= Batch(self, accounts).run()
        self.report_rows_without(refused)

    @property
    def is_sound(self) -> bool:
        """Whether all is stored as it was read, and every row that was read is stored or reported."""
        accounted = [
            self.result.imported[table] + self.result.there[table] + self.report.not_imported(table) == number
            for table, number in self.counts.items()
        ]
        return all(accounted) and not self.result.different

    def choose(self) -> ChosenAccounts:
        choice = choose(self.source.users(), self.report, timezone.now())
        self.progress(len(choice.refused))
        return choice

    def report_rows_without(self, refused: set[str]) -> None:
        """The rows of users that are gone, or not imported."""
        for table in ("attempts", "user_question_status"):
            for id_, user in self.source.rows_without(table, refused):
                shown = id_ if table == "attempts" else f"{user}/{id_}"
                self.report.add(
                    table, shown, Reason.USER_NOT_IMPORTED if user in refused else Reason.USER_GONE, user=user
                )
                self.progress(table == "attempts")


class Batch:
    """Some users with their attempts."""

    def __init__(self, run: Importer, accounts: list[Account]) -> None:
        self.source, self.report, self.result, self.progress = run.source, run.report, run.result, run.progress
        self.accounts = accounts
        self.new_users: dict[UUID, int] = {}  # that this run stores, with their digests
        self.attempts: dict[UUID, int] = {}  # that are to be there in the end
        self.new_attempts: Counter[UUID] = Counter()  # that this run stores, by user
        self.runtimes: dict[Question, int] = {}  # the best ones
        self.solved_at: dict[Question, datetime] = {}

    def rehearse(self) -> None:
        """Counts as imported what would be."""
        self.read_all_attempts(store=lambda rows: None)
        self.result.imported.update(users=len(self.accounts), attempts=len(self.attempts))
        self.progress(len(self.accounts))

    def run(self) -> set[str]:
        """Returns the ids of the users that are refused."""
        with target.patient_transaction():
            refused = self.add_users()
            self.read_all_attempts(store=self.add_attempts)
            if self.new_attempts:
                target.count_again(self.new_attempts.keys())
            if self.new_users or self.new_attempts:
                attempts = self.new_attempts.total()
                record(Kind.DATA_IMPORTED, by=Actor.operator(), users=len(self.new_users), attempts=attempts)
        self.read_back()
        self.result.imported.update(users=len(self.new_users), attempts=self.new_attempts.total())
        self.progress(len(self.accounts) + len(refused))
        return refused

    def add_users(self) -> set[str]:
        ids = [account.user.id for account in self.accounts]
        there = target.existing_users(ids)
        deleted = target.deleted_users(ids) - there
        added = target.add_users([each for each in self.accounts if each.user.id not in there | deleted])
        refused = set()
        for account in self.accounts:
            user = account.user
            if user.id in added:
                self.new_users[user.id] = checksum(*(getattr(user, name) for name in target.USER_COLUMNS))
            elif user.id not in there:
                reason = Reason.DELETED_HERE if user.id in deleted else Reason.ADDRESS_TAKEN
                self.report.add("users", account.ids[0], reason, email=account.origin.email)
                refused.update(account.ids)
        self.accounts = [account for account in self.accounts if account.user.id in there | added]
        self.result.there["users"] += len(there)
        return refused

    # --- Attempts

    def read_all_attempts(self, *, store: Callable[[list[NewAttempt]], None]) -> None:
        owners = {id_: account for account in self.accounts for id_ in account.ids}
        statuses = list(self.source.statuses(owners))
        for status in statuses:
            self.note_runtime(status, owners[status.user_id].user)
        for chunk in target.batches(self.source.attempts(owners), ROWS_AT_ONCE):
            store([row for each in chunk if (row := self.read_attempt(each, owners[each.user_id]))])
            self.progress(len(chunk))
        for status in statuses:
            self.compare_solved(status, owners[status.user_id].user)

    def read_attempt(self, origin: SourceAttempt, owner: Account) -> NewAttempt | None:
        try:
            row = attempt_of(origin, owner.user)
            if row.id in self.attempts:
                raise Refused(Reason.ID_TAKEN)
        except Refused as refusal:
            self.report.add("attempts", origin.id, refusal.reason, user=origin.user_id)
            return None
        if row.total_tests == 0:
            self.report.add("attempts", origin.id, Reason.NO_TESTS, "imported, not solved", user=origin.user_id)
        if origin.user_id != owner.ids[0]:
            self.report.add("attempts", origin.id, Reason.DUPLICATE_ADDRESS, "moved to the account", user=row.user_id)
        self.attempts[row.id] = checksum(
            *row.facts, md5(row.submitted_code.encode(), usedforsecurity=False).hexdigest()
        )
        return self.with_runtime(row)

    def note_runtime(self, status: SourceStatus, owner: User) -> None:
        question, runtime = (owner.id, status.question_id), status.best_runtime_ms
        if runtime is None:
            return
        if 0 <= runtime <= LARGEST:
            self.runtimes[question] = min(runtime, self.runtimes.get(question, runtime))
        else:
            self.report_status(status, Reason.BAD_RUNTIME, "counted without it")

    def with_runtime(self, row: NewAttempt) -> NewAttempt:
        """The best runtime of a question is known, but not which attempt it is of: the first that solves it gets it."""
        question = (row.user_id, row.question_id)
        if not row.is_solved or question in self.solved_at:
            return row
        self.solved_at[question] = row.created_at
        return row._replace(runtime_ms=self.runtimes.get(question))

    def compare_solved(self, status: SourceStatus, owner: User) -> None:
        solved_at = self.solved_at.get((owner.id, status.question_id))
        if solved_at is None and (status.solved_at or status.best_runtime_ms is not None):
            self.report_status(status, Reason.NEVER_SOLVED, "counted as not solved")
        elif solved_at and status.solved_at and status.solved_at < solved_at - SAME_TIME:
            self.report_status(status, Reason.SOLVED_EARLIER, "counted from the attempts")

    def report_status(self, status: SourceStatus, reason: Reason, outcome: str) -> None:
        self.report.add(
            "user_question_status", f"{status.user_id}/{status.question_id}", reason, outcome, user=status.user_id
        )

    def add_attempts(self, rows: list[NewAttempt]) -> None:
        there = target.owners_of_attempts([row.id for row in rows])
        for row in rows:
            if there.get(row.id, row.user_id) != row.user_id:
                self.report.add("attempts", str(row.id), Reason.ID_TAKEN, user=row.user_id)
                del self.attempts[row.id]
        new = [row for row in rows if row.id not in there]
        if new:
            target.add_attempts(new)
        self.new_attempts.update(row.user_id for row in new)
        self.result.there["attempts"] += sum(owner == row.user_id for row in rows if (owner := there.get(row.id)))

    # --- Reconciliation

    def read_back(self) -> None:
        """Compares what is stored with what was read. Users that were there before may have changed since."""
        compare = self.result.compare
        compare("users", self.new_users, ((row[0], checksum(*row)) for row in target.stored_users(self.new_users)))
        users = [account.user.id for account in self.accounts]
        compare("attempts", self.attempts, ((row[0], checksum(*row)) for row in target.stored_attempts(users)))
