"""What the app does with attempts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max, Sum

from accounts.models import User
from attempts.models import Attempt, QuestionStatus, is_solved
from peerprep_users.errors import NotAuthenticated, NotFound

LISTED = ("id", "question_id", "language", "passed_tests", "total_tests", "created_at")
SHOWN = ("id", "question_id", "language", "submitted_code", "passed_tests", "total_tests", "created_at")


def record_attempt(*, user: User, **facts: Any) -> dict[str, Any]:
    """Stores an attempt and counts it in its question's status, both or neither.

    Raises:
        NotAuthenticated: the account was deleted meanwhile.
    """
    attempt = Attempt(user=user, **facts)
    with transaction.atomic():
        if not QuestionStatus.objects.add(attempt):
            raise NotAuthenticated
        attempt.save(force_insert=True)
    return listed({name: getattr(attempt, name) for name in LISTED})


def list_attempts(*, user: User, limit: int, offset: int, **filters: Any) -> list[dict[str, Any]]:
    found = Attempt.objects.history_of(user).matching(**filters).values(*LISTED)
    return [listed(row) for row in found[offset : offset + limit]]


def listed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "is_solved": is_solved(row["passed_tests"], row["total_tests"])}


def show_attempt(*, user: User, attempt_id: UUID) -> dict[str, Any]:
    """One of the user's own attempts.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    row: dict[str, Any] | None = Attempt.objects.filter(pk=attempt_id, user=user).values(*SHOWN).first()
    if row is None:
        raise NotFound
    return row


def summarise(*, user: User) -> dict[str, int | datetime | None]:
    """Totals over the user's questions; `solved` counts distinct questions."""
    return QuestionStatus.objects.filter(user=user).aggregate(
        total_attempts=Sum("attempts", default=0), solved=Count("solved_at"), last_attempt_at=Max("last_attempt_at")
    )
