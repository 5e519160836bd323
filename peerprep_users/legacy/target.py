"""Writing into our own tables, on either database. Nothing that is there is changed, but for the counts of attempts."""

# ruff: noqa: S608 - the statements are put together from the names of columns

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models.functions import MD5
from django.utils import timezone

from accounts.models import AuditEntry, LoginGuard, User
from attempts.flows.stats import count_statuses
from attempts.models import Attempt, QuestionStatus
from core.postgresql import limit_statements
from peerprep_users.legacy.accounts import Account
from peerprep_users.legacy.attempts import NewAttempt

USER_COLUMNS = ("id", "email", "password", "name", "role", "is_verified", "created_at", "updated_at")
ATTEMPT_COLUMNS = ("id", "user_id", "question_id", "language", "passed_tests", "total_tests", "created_at")

ROWS_IN_A_STATEMENT = 500

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


@contextmanager
def patient_transaction() -> Iterator[None]:
    """No client waits for what it does, and it may wait for the source."""
    limit_statements(connection, None)
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield


def existing_users(ids: Iterable[UUID]) -> set[UUID]:
    return set(User.objects.filter(pk__in=list(ids)).values_list("pk", flat=True))


def deleted_users(ids: Iterable[UUID]) -> set[UUID]:
    """Those whose accounts were here and have been deleted."""
    deletions = AuditEntry.objects.filter(kind=AuditEntry.Kind.ACCOUNT_DELETED, user_id__in=list(ids))
    return {user for user in deletions.select_related(None).values_list("user_id", flat=True) if user}


def add_users(accounts: Collection[Account]) -> set[UUID]:
    """Stores them with their locks. Returns the ids of those whose address no other account has here."""
    insert([account.user for account in accounts])
    added = existing_users(account.user.id for account in accounts)
    now = timezone.now()
    locks = {each.user.email: each.origin.locked_until for each in accounts if each.user.id in added}
    insert([guard_of(address, until) for address, until in locks.items() if until and until > now])
    return added


def guard_of(address: str, until: datetime) -> LoginGuard:
    """A lock that opens when the earlier one would have."""
    return LoginGuard(address=address, failures=settings.LOGIN_FAILURE_LIMIT, failed_at=until - settings.LOGIN_LOCK)


def insert(rows: Sequence[models.Model]) -> None:
    """Not `bulk_create`, which sets `updated_at`."""
    for batch in batches(rows, ROWS_IN_A_STATEMENT):
        fields = [field for field in batch[0]._meta.local_concrete_fields if not field.generated]
        names, places = ", ".join(str(field.column) for field in fields), ", ".join(["%s"] * len(fields))
        values = ", ".join([f"({places})"] * len(batch))
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {batch[0]._meta.db_table} ({names}) VALUES {values} ON CONFLICT DO NOTHING",
                [field.get_db_prep_save(getattr(row, field.attname), connection) for row in batch for field in fields],
            )


def owners_of_attempts(ids: list[UUID]) -> dict[UUID, UUID]:
    """Of the attempts with these ids that are here, the users."""
    if connection.vendor != "postgresql":
        return dict(Attempt.objects.filter(pk__in=ids).values_list("pk", "user_id"))
    with connection.cursor() as cursor:  # for the ORM each id is a parameter, which takes five times as long
        cursor.execute("SELECT id, user_id FROM attempts WHERE id = ANY(%s)", [ids])
        return dict(cursor.fetchall())


def add_attempts(rows: Sequence[NewAttempt]) -> None:
    if connection.vendor != "postgresql":
        insert([Attempt(**row._asdict()) for row in rows])
        return
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY attempts ({', '.join(NewAttempt._fields)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def count_again(users: Collection[UUID]) -> None:
    """Counts the statuses of these users. Attempts that they record meanwhile wait, as in `stats rebuild`."""
    list(User.objects.select_for_update().filter(pk__in=users).order_by("pk").values_list("pk"))
    QuestionStatus.objects.filter(user__in=users).delete()
    count_statuses(min(users), max(users))


def stored_users(ids: Collection[UUID]) -> Iterable[tuple[Any, ...]]:
    return User.objects.filter(pk__in=ids).values_list(*USER_COLUMNS)


def stored_attempts(users: Collection[UUID]) -> Iterable[tuple[Any, ...]]:
    """The last value is the MD5 of the code, which may be long."""
    return Attempt.objects.filter(user__in=users).values_list(*ATTEMPT_COLUMNS, MD5("submitted_code"))


def analyze() -> None:
    """What an index alone answers needs a vacuumed table."""
    vacuum = connection.vendor == "postgresql" and not connection.in_atomic_block
    with connection.cursor() as cursor:
        for model in (User, Attempt, QuestionStatus):
            cursor.execute(f"{'VACUUM ' if vacuum else ''}ANALYZE {model._meta.db_table}")
