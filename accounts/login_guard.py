"""The lockout: wrong passwords are counted per address, and guesses at one address are evaluated one after the other.

A guess is counted before it is evaluated, by the statement that also takes the turn of its address. So no more than
`LOGIN_FAILURE_LIMIT` wrong ones are ever evaluated in a row, and a count that has reached the limit means that many
wrong passwords, not some that are still being evaluated.

django-axes counts after the fact and per device. Its log of failures is the record of them here; of its other parts,
those that ask whether an account is locked get the answer from this module.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID, uuid4

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.core.management import CommandError
from django.db import connection
from django.db.models import Case, F, QuerySet, When
from django.utils import timezone

from accounts.addresses import normalised
from accounts.models import LoginGuard
from core.concurrency import Slots, request_slots
from core.errors import ApiError
from core.queries import ON_POSTGRESQL, for_sqlite

TURN = timedelta(seconds=5)  # longer than a request waits, and a hash; a holder that died, or is slower, gives way
TURN_POLL_INTERVAL = 0.1  # seconds

# Those who wait for the turn of an address, in this process. Each has a thread.
waiting = Slots(total=settings.LOGIN_WAITING, per_owner=settings.LOGIN_WAITING * 5 // 6)


def lock_sentence(lasting: timedelta) -> str:
    minutes = ceil(lasting / timedelta(minutes=1))
    lasts = "1 minute" if minutes == 1 else f"{minutes} minutes"
    return f"Too many wrong passwords. The account is locked for {lasts}; resetting the password unlocks it at once."


class AccountLocked(ApiError):
    """Its sentence says how long the lock still lasts."""

    status = 403
    code = "account_locked"
    detail = lock_sentence(settings.LOGIN_LOCK)
    has_retry_after = True

    def __init__(self, lasting: timedelta) -> None:
        super().__init__(retry_after=lasting.total_seconds())
        self.detail = lock_sentence(lasting)


class Busy(ApiError):
    status = 503
    code = "busy"
    detail = "Too many sign-ins at once. Try again in a moment."


# failed_at is the time of the guess until it is settled.
TAKE_TURN = """
INSERT INTO login_guards AS guard (address, failures, failed_at, holder, held_until)
VALUES (%(address)s, 1, %(now)s, %(holder)s, %(held_until)s)
ON CONFLICT (address) DO UPDATE SET
    failures = CASE WHEN guard.failed_at <= %(forgotten)s THEN 1 ELSE guard.failures + 1 END,
    failed_at = excluded.failed_at, holder = excluded.holder, held_until = excluded.held_until
WHERE (guard.holder IS NULL OR guard.held_until <= excluded.failed_at)
    AND (guard.failures < %(limit)s OR guard.failed_at <= %(forgotten)s)
RETURNING failures
"""


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess that is counted, and holds the turn of its address until one of its methods settles it."""

    address: str
    holder: UUID
    failures: int  # in a row, if this one is wrong

    @property
    def row(self) -> QuerySet[LoginGuard]:
        """Empty where the turn is lost: to a reset of the password, an admin, or the next after `TURN`."""
        return LoginGuard.objects.filter(address=self.address, holder=self.holder)

    def succeed(self) -> None:
        """Forgets the failures. If the turn is lost, only a guess that is being evaluated by now still counts."""
        with connection.cursor() as cursor:  # QuerySet.delete() would put a transaction around it
            cursor.execute(
                "DELETE FROM login_guards WHERE address = %s AND holder = %s", [self.address, self.holder.hex]
            )
            lost = not cursor.rowcount
        if lost:
            others = Case(When(holder=None, then=0), default=1)
            LoginGuard.objects.filter(address=self.address).update(failures=others)

    @property
    def may_lock(self) -> bool:
        return self.failures >= settings.LOGIN_FAILURE_LIMIT

    def fail(self) -> bool:
        """Returns whether the account is locked from now on."""
        settled = self.row.update(holder=None, held_until=None, failed_at=timezone.now())
        return bool(settled) and self.may_lock

    def uncount(self) -> None:
        """For a guess that could not be evaluated."""
        self.row.update(holder=None, held_until=None, failures=F("failures") - 1)


def count_guess(address: str) -> Guess:
    """Waits for the turn of an address and counts a guess, whether or not there is an account.

    Failures as old as a lock lasts are forgotten.

    Raises:
        AccountLocked: the guess must not be evaluated, and does not extend the lock.
        Busy: too many wait for the turn in this process, or it took too long.
    """
    if guess := take_turn(address):
        return guess
    if not waiting.acquire(address):
        raise Busy(retry_after=seconds_held(address))
    try:
        deadline = time.monotonic() + request_slots.patience
        while time.monotonic() < deadline:
            with request_slots.yielded():
                time.sleep(TURN_POLL_INTERVAL)
            if seconds_held(address) <= 0 and (guess := take_turn(address)):
                return guess
    finally:
        waiting.release(address)
    raise Busy(retry_after=seconds_held(address))


def take_turn(address: str) -> Guess | None:
    """Counts a guess; None while another one is being evaluated.

    Raises:
        AccountLocked.
    """
    now, holder = timezone.now(), uuid4()
    values: dict[str, Any] = {"now": now, "held_until": now + TURN, "forgotten": now - settings.LOGIN_LOCK}
    values |= {"address": address, "holder": holder, "limit": settings.LOGIN_FAILURE_LIMIT}
    if not ON_POSTGRESQL:
        values = {name: for_sqlite(value) for name, value in values.items()}
    with connection.cursor() as cursor:
        cursor.execute(TAKE_TURN, values)
        if counted := cursor.fetchone():
            return Guess(address, holder, counted[0])
    if end := locked_until(address):
        raise AccountLocked(end - timezone.now())
    return None


def seconds_held(address: str) -> float:
    """How long the holder of the turn may still have it."""
    end = LoginGuard.objects.filter(address=address).values_list("held_until", flat=True).first()
    return (end - timezone.now()).total_seconds() if end else 0


def locked_until(address: str) -> datetime | None:
    """When the account's lock opens by itself; None where it is not locked."""
    return locks_of([address]).get(address)


def locks_of(addresses: Collection[str]) -> dict[str, datetime]:
    """When the locks of those that are locked open by themselves."""
    return {guard.address: guard.locked_until for guard in LoginGuard.objects.locked().filter(address__in=addresses)}


def abandoned(address: str) -> QuerySet[LoginGuard]:
    """A guess that locked the account and was never settled, since its process died or its transaction failed."""
    return LoginGuard.objects.locked().filter(address=address).exclude(holder=None)


def is_abandoned(address: str) -> bool:
    return abandoned(address).exists()


def settle_abandoned(address: str) -> bool:
    """Returns True to the one caller that settles such a guess, and then records the lock."""
    return bool(abandoned(address).update(holder=None, held_until=None))


def clear(address: str) -> bool:
    """Forgets the failures, which opens a lock. Returns whether there were any."""
    return bool(LoginGuard.objects.filter(address=address).delete()[0])


class AccountHandler(AxesDatabaseHandler):
    """What axes' own parts ask: its backend before others, its commands, its signal receivers."""

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        address = normalised(str((credentials or {}).get("username") or ""))
        return int(settings.LOGIN_FAILURE_LIMIT) if locked_until(address) else 0

    def reset_attempts(self, **kwargs: Any) -> int:
        """Refuses, in a line: axes' commands would open a lock and leave no entry in the audit trail."""
        raise CommandError("This leaves nothing in the audit trail. Use `manage.py unlock EMAIL`.")

    def reset_failure_logs(self, **kwargs: Any) -> int:
        raise CommandError("Failed logins are kept for 90 days. `manage.py purge_expired` deletes older ones.")

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
        """Nothing to do: the flow that evaluates a password records the failure."""

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Nothing to do: a success has cleared the count, and axes' log of logins would outlive the account."""

    def user_logged_out(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Nothing to do: there is no log of logins."""
