"""What services that verify access tokens by themselves must hear: which sessions ended before their tokens did."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Revocation, Session
from accounts.tokens.jwt import LEEWAY
from core.events import emit_all
from core.models import Event
from core.times import EPOCH, MICROSECOND

EVENTS_AT_ONCE = 10_000
# A transaction that began before a call may commit after it, so that long before the call is read again.
STILL_UNCOMMITTED = timedelta(seconds=30)


def record_revocations(sessions: Iterable[Session], reason: str) -> None:
    """In the transaction that ends the sessions."""
    sessions = list(sessions)
    Revocation.objects.bulk_create(
        Revocation(session_id=session.pk, user_id=session.user_id, reason=reason) for session in sessions
    )
    emit_all(
        Event(
            type=Event.Type.SESSION_ENDED,
            user_id=session.user_id,
            data={"session_id": str(session.pk), "reason": reason},
        )
        for session in sessions
    )


def list_revocations(*, since: int = 0) -> dict[str, Any]:
    """The sessions that ended from the cursor on, oldest first, and the cursor for the next call.

    None is left out, and one may come again.
    """
    rows = list(Revocation.objects.filter(at__gte=EPOCH + since * MICROSECOND).order_by("at", "pk")[:EVENTS_AT_ONCE])
    reached = timezone.now() - STILL_UNCOMMITTED
    if len(rows) == EVENTS_AT_ONCE:
        reached = min(reached, rows[-1].at)
    events = [{"sid": row.session_id, "user_id": row.user_id, "reason": row.reason, "at": row.at} for row in rows]
    return {"events": events, "next": str((reached - EPOCH) // MICROSECOND)}


def outdated_revocations() -> QuerySet[Revocation]:
    """Those of sessions none of whose access tokens is valid any more."""
    return Revocation.objects.filter(at__lte=timezone.now() - settings.ACCESS_TTL - LEEWAY - STILL_UNCOMMITTED)
