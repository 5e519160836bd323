"""What expires when, in both apps, and its removal a few rows at a time beside a running service."""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog
from django.conf import settings
from django.contrib.sessions.models import Session as AdminSession
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.audit import chain
from accounts.models import Lease, Mail, PasswordReset, Session
from attempts.models import IdempotencyKey
from core.models import RateCount
from peerprep_users.models import DailyFigure

log = logging.getLogger(__name__)

BATCH = 500
PASS = 1.0  # seconds that the background worker removes rows at a time
ENDED_SESSIONS = timedelta(days=7)  # kept that long to answer who was signed in, and from where
MAILS = timedelta(days=7)
FAILURES = timedelta(days=90)
DAILY_FIGURES = timedelta(days=365)


def expired_rows() -> dict[str, QuerySet[Any]]:
    now = timezone.now()
    unrefreshed = Q(rotated_at__lte=now - settings.REFRESH_TTL - ENDED_SESSIONS)
    return {
        "revoked tokens": OutstandingToken.objects.filter(expires_at__lte=now),
        "sessions": Session.objects.filter(
            Q(ended_at__lte=now - ENDED_SESSIONS) | Q(expires_at__lte=now - ENDED_SESSIONS) | unrefreshed
        ),
        "reset codes": PasswordReset.objects.filter(Q(expires_at__lte=now) | Q(used_at__isnull=False)),
        "rate counts": RateCount.objects.filter(until__lte=now.timestamp()),
        "leases": Lease.objects.filter(until__lte=now),
        "mails": Mail.objects.exclude(state=Mail.State.QUEUED).filter(created_at__lte=now - MAILS),
        "failure counts": AccessAttempt.objects.filter(attempt_time__lte=now - settings.LOGIN_LOCK),
        "failed logins": AccessFailureLog.objects.filter(attempt_time__lte=now - FAILURES),
        "idempotency keys": IdempotencyKey.objects.expired(now),
        "daily figures": DailyFigure.objects.filter(day__lte=now - DAILY_FIGURES),
        "admin sessions": AdminSession.objects.filter(expire_date__lte=now),
    }


def tasks() -> Iterator[tuple[str, int, Iterator[int]]]:
    """Of each task its name, about how many rows it removes, and an iterator that yields the size of each batch."""
    for name, rows in expired_rows().items():
        yield name, rows.count(), delete_in_batches(rows)
    chain.chain_entries()
    yield "audit trail", chain.outdated().count(), chain.prune()


def delete_in_batches(rows: QuerySet[Any]) -> Iterator[int]:
    """Deletes the rows, each batch in a transaction of its own.

    Two purges at once share the work: each skips the rows that the other holds.
    """
    while True:
        with transaction.atomic():
            chosen = rows.order_by("pk").select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)
            ids = list(chosen[:BATCH])
            rows.model._base_manager.filter(pk__in=ids).delete()  # noqa: SLF001
        if not ids:
            return
        yield len(ids)


def purge_for_a_while(stopping: threading.Event) -> bool:
    """Removes expired rows for about a second. Returns whether there is more."""
    until = time.monotonic() + PASS
    for name, rows in expired_rows().items():
        removed = 0
        for batch in delete_in_batches(rows):
            removed += batch
            if stopping.is_set() or time.monotonic() > until:
                return True
        if removed:
            log.info("Expired rows were removed", extra={"what": name, "rows": removed})
    sum(chain.prune())
    return False
