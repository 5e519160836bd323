"""What the app does with attempts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Sum

from attempts.models import Attempt, QuestionStatus, is_solved
from peerprep_users.errors import NotAuthenticated, NotFound

LISTED = ("id", "question_id", "language", "passed_tests", "total_tests", "created_at")
SHOWN = ("id", "question_id", "language", "submitted_code", "passed_tests", "total_tests", "created_at")


def record_attempt(*, user: AbstractBaseUser, **facts: Any) -> dict[str, Any]:
    """Stores an attempt and counts it in its question's status, both or neither.

    Raises:
        NotAuthenticated: the account was deleted meanwhile. PostgreSQL finds that out as late as the commit.
    """
    try:
        with transaction.atomic():
            attempt = Attempt.objects.create(user=user, **facts)
            QuestionStatus.objects.add(attempt)
    except IntegrityError:
        raise NotAuthenticated from None
    return listed({name: getattr(attempt, name) for name in LISTED})


def list_attempts(*, user: AbstractBaseUser, limit: int, offset: int, **filters: Any) -> list[dict[str, Any]]:
    found = Attempt.objects.history_of(user).matching(**filters).values(*LISTED)
    return [listed(row) for row in found[offset : offset + limit]]


def listed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "is_solved": is_solved(row["passed_tests"], row["total_tests"])}


def show_attempt(*, user: AbstractBaseUser, attempt_id: UUID) -> dict[str, Any]:
    """One of the user's own attempts.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    row = Attempt.objects.filter(pk=attempt_id, user=user).values(*SHOWN).first()
    if row is None:
        raise NotFound
    return row


def summarise(*, user: AbstractBaseUser) -> dict[str, int | datetime | None]:
    """Totals over the user's questions; `solved` counts distinct questions."""
    totals = QuestionStatus.objects.filter(user=user).aggregate(
        total_attempts=Sum("attempts", default=0), solved=Count("solved_at"), last_attempt_at=Max("last_attempt_at")
    )
    return totals
