"""Removing what is past its use, a few rows at a time, beside a running service."""

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from random import uniform
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog
from django.conf import settings
from django.contrib.sessions.models import Session as AdminSession
from django.db import Error, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts import holdings
from accounts.flows import trail
from accounts.holdings import Progress, Task
from accounts.models import DailyFigure, Lease, Mail, PasswordReset, RateCount, Session

log = logging.getLogger(__name__)

BATCH = 500
ENDED_SESSIONS = timedelta(days=7)  # kept that long for the question who was signed in, and from where
MAILS = timedelta(days=7)
FAILURES = timedelta(days=90)
FIGURES = timedelta(days=365)


def past_its_use() -> dict[str, QuerySet[Any]]:
    """What may go, by what it is called."""
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
        "daily figures": DailyFigure.objects.filter(day__lte=now - FIGURES),
        "admin sessions": AdminSession.objects.filter(expire_date__lte=now),
    }


def tasks() -> Iterator[tuple[str, Task]]:
    """All there is to remove, in whatever app, by what it is called."""
    for name, rows in past_its_use().items():
        yield name, removal(rows)
    yield "audit trail", trail.pruning()
    for holding in holdings.registered:
        yield from holding.expired()


class Housekeeper(threading.Thread):
    """Removes what is past its use about once an hour, beside the requests of a process, until it is stopped.

    Each process has one, and their hours differ; two at once share the work.
    """

    HOUR = 3600.0  # seconds

    def __init__(self) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(self.HOUR * uniform(0.5, 1.5)):  # noqa: S311 - no secret
            self.tidy()
            connection.close()

    def tidy(self) -> None:
        try:
            for name, task in tasks():
                if removed := task.run(lambda rows: None):
                    log.info("Past its use, and removed", extra={"what": name, "rows": removed})
        except Error as exc:
            log.error("What is past its use could not be removed: %s", exc)  # noqa: TRY400 - the next hour may succeed


def removal(rows: QuerySet[Any]) -> Task:
    return Task(rows.count(), partial(purge, rows))


def purge(rows: QuerySet[Any], progress: Progress) -> int:
    """Deletes the rows in batches, each a transaction of its own. Returns how many it deleted itself.

    Two purges at once share the work: each passes over the rows that the other holds.
    """
    removed = 0
    for batch in batches(rows):
        progress(batch)
        removed += batch
    return removed


def batches(rows: QuerySet[Any]) -> Iterator[int]:
    while True:
        with transaction.atomic():
            ordered = rows if rows.ordered else rows.order_by("pk")
            chosen = ordered.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)
            ids = list(chosen[:BATCH])
            rows.model._base_manager.filter(pk__in=ids).delete()  # noqa: SLF001
        if not ids:
            return
        yield len(ids)
