"""When the rows of both apps expire, and how they are deleted: a few at a time, while the service runs."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from axes.models import AccessFailureLog
from django.conf import settings
from django.contrib.sessions.models import Session as AdminSession
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.audit import chain
from accounts.flows.confirmation import GUESSES_COUNT
from accounts.flows.profile import delete_unverified
from accounts.flows.revocations import outdated_revocations
from accounts.models import ENDED_SESSIONS_KEPT, ConfirmationGuess, LoginGuard, Mail, PasswordReset, Session, User
from attempts.models import IdempotencyKey
from core.jobs import Turn
from core.models import RateCount
from peerprep_users.models import DailyFigure

log = logging.getLogger(__name__)

PURGE_BATCH = 500
MAILS = timedelta(days=7)
FAILURES = timedelta(days=90)
DAILY_FIGURES = timedelta(days=365)


def expired_rows() -> dict[str, QuerySet[Any]]:
    now = timezone.now()
    unrefreshed = Q(rotated_at__lte=now - settings.REFRESH_TTL - ENDED_SESSIONS_KEPT)
    return {
        "revoked tokens": OutstandingToken.objects.filter(expires_at__lte=now),
        "sessions": Session.objects.filter(
            Q(ended_at__lte=now - ENDED_SESSIONS_KEPT) | Q(expires_at__lte=now - ENDED_SESSIONS_KEPT) | unrefreshed
        ),
        "reset codes": PasswordReset.objects.filter(Q(expires_at__lte=now) | Q(used_at__isnull=False)),
        "rate counts": RateCount.objects.filter(until__lte=now.timestamp()),
        "mails": Mail.objects.exclude(state=Mail.State.QUEUED).filter(created_at__lte=now - MAILS),
        "login guards": LoginGuard.objects.forgotten(),
        "revocations": outdated_revocations(),
        "confirmation guesses": ConfirmationGuess.objects.filter(guessed_at__lte=now - GUESSES_COUNT),
        "failed logins": AccessFailureLog.objects.filter(attempt_time__lte=now - FAILURES),
        "idempotency keys": IdempotencyKey.objects.expired(now),
        "daily figures": DailyFigure.objects.filter(day__lte=now - DAILY_FIGURES),
        "admin sessions": AdminSession.objects.filter(expire_date__lte=now),
    }


def purges() -> Iterator[tuple[str, QuerySet[Any], Iterator[int]]]:
    """For each kind of row: its name, the expired rows, and an iterator over the sizes of the batches it deletes."""
    for name, rows in expired_rows().items():
        yield name, rows, delete_in_batches(rows)
    unverified = User.objects.unverified().filter(created_at__lte=timezone.now() - settings.UNVERIFIED_TTL)
    yield "unverified accounts", unverified, delete_accounts(unverified)
    yield "audit trail", chain.outdated(), chain.prune()


def delete_in_batches(rows: QuerySet[Any]) -> Iterator[int]:
    """Each batch is a transaction. Two purges at once share the work: each skips what the other has locked."""
    while True:
        with transaction.atomic():
            chosen = rows.order_by("pk").select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)
            ids = list(chosen[:PURGE_BATCH])
            rows.model._base_manager.filter(pk__in=ids).delete()  # noqa: SLF001
        if not ids:
            return
        yield len(ids)


def delete_accounts(unverified: QuerySet[User]) -> Iterator[int]:
    """Each is a transaction, as when its owner deletes it. Two purges at once share the work."""
    while users := list(unverified.order_by("created_at")[:PURGE_BATCH]):
        for user in users:
            if delete_unverified(user=user):
                yield 1


def purge_expired_rows(turn: Turn) -> None:
    """Deletes what has expired, until the turn is over."""
    for name, _, batches in purges():
        removed = 0
        while not turn.is_over and (batch := next(batches, 0)):
            removed += batch
        if removed:
            log.info("Expired rows were removed", extra={"what": name, "rows": removed})
