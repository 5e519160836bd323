"""The lockout: django-axes keeps the record, one row per account, by the rules of the contract.

axes as it comes counts per (address, IP, user agent) and after the fact. Here a guess is counted before it is evaluated
and for the account alone, so that however guesses arrive, no more than the limit are evaluated.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt, AccessFailureLog
from django.conf import settings
from django.core.management import CommandError
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.addresses import normalised
from accounts.metrics import LOGINS
from core.client import Client
from core.errors import ApiError

# axes' rows are unique per (username, ip_address, user_agent); one fixed device makes that one row per account.
ANY_DEVICE = {"ip_address": "0.0.0.0", "user_agent": ""}  # noqa: S104


class AccountLocked(ApiError):
    status = 403
    code = "account_locked"
    detail = "Too many wrong passwords. The account is locked for a while; a password reset opens it at once."
    has_retry_after = True


def rows(address: str) -> QuerySet[AccessAttempt]:
    return AccessAttempt.objects.filter(username=address, **ANY_DEVICE)


def locked_until(address: str) -> datetime | None:
    """When the account's lock opens by itself; None where it is not locked."""
    row = rows(address).filter(failures_since_start__gte=settings.LOGIN_FAILURE_LIMIT).first()
    end = row.attempt_time + settings.LOGIN_LOCK if row else None
    return end if end and end > timezone.now() else None


def locks() -> QuerySet[AccessAttempt]:
    """The rows of the accounts that are locked now."""
    begun = timezone.now() - settings.LOGIN_LOCK
    counted = {"failures_since_start__gte": settings.LOGIN_FAILURE_LIMIT, "attempt_time__gt": begun}
    return AccessAttempt.objects.filter(**counted, **ANY_DEVICE)


def locks_of(addresses: Collection[str]) -> dict[str, datetime]:
    """When the locks of those that are locked open by themselves."""
    rows_of = locks().filter(username__in=addresses).values_list("username", "attempt_time")
    return {str(username): time + settings.LOGIN_LOCK for username, time in rows_of}


def count_guess(address: str) -> int:
    """Counts a guess that is about to be evaluated, in one statement that no later error takes back.

    Returns:
        How many guesses in a row that makes. Failures that are as old as a lock lasts are forgotten.

    Raises:
        AccountLocked: the guess must not be evaluated. It does not count, so that knocking extends no lock.
    """
    now = timezone.now()
    forgotten = Q(attempt_time__lte=now - settings.LOGIN_LOCK)
    again = Case(When(forgotten, then=Value(1)), default=F("failures_since_start") + 1)
    first = {"failures_since_start": 1, "attempt_time": now}
    while True:
        _, created = AccessAttempt.objects.get_or_create(username=address, **ANY_DEVICE, defaults=first)
        if created:
            return 1
        open_ = rows(address).filter(forgotten | Q(failures_since_start__lt=settings.LOGIN_FAILURE_LIMIT))
        counted = open_.update(failures_since_start=again, attempt_time=now)
        row = rows(address).first()
        if row is None:
            continue  # a reset or an admin has just opened the lock
        if not counted:
            raise AccountLocked(retry_after=(row.attempt_time + settings.LOGIN_LOCK - now).total_seconds())
        return row.failures_since_start


def take_back(address: str) -> None:
    """Forgets a guess that was counted and could not be evaluated."""
    rows(address).filter(failures_since_start__gt=0).update(failures_since_start=F("failures_since_start") - 1)


def clear(address: str) -> bool:
    """Forgets the failures: after a success, a reset of the password, or an admin's word. Whether there were any."""
    return bool(AccessAttempt.objects.filter(username=address).delete()[0])


def record_failure(address: str, client: Client, *, locked: bool) -> None:
    """Records a guess that turned out wrong. The one that locks does so from now on, not from when it was counted."""
    if locked:
        rows(address).update(attempt_time=timezone.now())
    AccessFailureLog.objects.create(
        username=address,
        ip_address=client.ip,
        user_agent=client.user_agent,
        http_accept="",
        path_info="",
        locked_out=locked,
    )


def is_recorded(address: str) -> bool:
    """Whether the failure that locked the account is on record."""
    row = rows(address).first()
    recorded = AccessFailureLog.objects.filter(username=address, locked_out=True)
    return row is None or recorded.filter(attempt_time__gte=row.attempt_time).exists()


class AccountHandler(AxesDatabaseHandler):
    """What axes' own parts ask: its backend before the admin's login form, its commands, its signal receivers."""

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        address = normalised(str((credentials or {}).get("username") or ""))
        return int(settings.LOGIN_FAILURE_LIMIT) if locked_until(address) else 0

    def reset_attempts(self, **kwargs: Any) -> int:
        """Refuses, in a line: axes' commands would open a lock and leave no entry in the audit trail."""
        raise CommandError("This leaves nothing in the audit trail. Use `manage.py unlock EMAIL`.")

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
        """Counts, for the metrics, the login that axes refused: whatever evaluates a password does so itself."""
        if getattr(request, "axes_locked_out", False):
            LOGINS.labels(AccountLocked.code).inc()

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Nothing to do: a success has cleared the count already, and axes' log of logins would outlive the account."""

    def user_logged_out(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Nothing to do: there is no log of logins."""


def admin_lockout_response(request: HttpRequest, response: HttpResponse, credentials: Any) -> HttpResponse:
    """The admin site's own page: it says already that the account is locked, and for how long."""
    return response
