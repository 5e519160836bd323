"""What becomes of a user's attempts when the user goes, and of keys when their day is over.

A short history goes in the transaction that deletes the account. A long one would take that as long as it is, so only
what ties it together goes at once: the rows left have the id of nobody, no call finds them, and they are removed in the
background, or by `purge_expired` where the process ends before that.
"""

import logging
from collections.abc import Iterator
from threading import Thread
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.flows.housekeeping import purge, removal
from accounts.holdings import Progress, Section, Task
from accounts.models import User
from attempts.flows.history import export_attempts, export_questions
from attempts.models import (
    Attempt,
    Departure,
    IdempotencyKey,
    LanguageCount,
    PairCount,
    QuarterHour,
    QuestionStatus,
    Totals,
)

log = logging.getLogger(__name__)

AT_ONCE = 2_000
OF_USERS: tuple[Any, ...] = (Attempt, QuestionStatus, QuarterHour, LanguageCount, PairCount, IdempotencyKey)


def release(user: User) -> None:
    """Makes the user's attempts nobody's. Called in the transaction that deletes the user."""
    totals = Totals.of(user)
    Totals.objects.filter(user=user).delete()
    history = Attempt.objects.history_of(user).values_list("pk", flat=True)
    if len(history[: AT_ONCE + 1]) > AT_ONCE:
        departure = Departure.objects.create(user_id=user.pk, attempts=totals.attempts)
        thread = Thread(target=remove_behind, args=(departure,), name=f"departure-{user.pk}", daemon=True)
        transaction.on_commit(thread.start)
        return
    for model in OF_USERS:
        model.objects.filter(user=user).delete()


def expired() -> Iterator[tuple[str, Task]]:
    """What `purge_expired` removes of this app."""
    yield "idempotency keys", removal(IdempotencyKey.objects.expired(timezone.now()))
    left = Departure.objects.aggregate(attempts=Sum("attempts", default=0))["attempts"]
    yield "attempts of deleted accounts", Task(left, remove_departed)


def remove_departed(progress: Progress) -> int:
    """Removes what deleted accounts have left behind, in batches. Returns how many attempts it removed itself."""
    return sum(remove(departure, progress) for departure in Departure.objects.order_by("left_at"))


def remove(departure: Departure, progress: Progress) -> int:
    def note(removed: int) -> None:
        Departure.objects.filter(pk=departure.pk).update(attempts=Greatest(F("attempts") - removed, 0))
        progress(removed)

    left: QuerySet[Attempt] = Attempt.objects.filter(user_id=departure.pk).order_by("-created_at", "-id")
    removed = purge(left, note)
    with transaction.atomic():
        for model in OF_USERS:
            model.objects.filter(user_id=departure.pk).delete()
        departure.delete()
    return removed


def remove_behind(departure: Departure) -> None:
    """Removes what an account has left behind, beside the requests of this process."""
    try:
        remove(departure, lambda _: None)
    except DatabaseError as exc:
        log.warning("Attempts of a deleted account are left to purge_expired: %s", exc)
    finally:
        connection.close()


def export(user: User) -> Iterator[Section]:
    """All that this app holds about the user."""
    yield "attempts", export_attempts(user=user)
    yield "questions", export_questions(user=user)
    keys = IdempotencyKey.objects.filter(user=user).order_by("created_at")
    yield "idempotency_keys", keys.values("key", "attempt_id", "created_at").iterator()
