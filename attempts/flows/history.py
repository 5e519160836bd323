"""Reading one's attempts, a page at a time or all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F

from accounts.models import User
from attempts.models import Attempt, IdempotencyKey, Position
from attempts.queries import ATTEMPT_COUNT, HISTORY, HISTORY_FIELDS, QUESTION_COUNT, QUESTION_PAGE, SHOWN_ATTEMPT
from core.errors import NotAuthenticated, NotFound

CHUNK = 64  # attempts of at most 64 KiB each: what an export holds at a time


@dataclass(frozen=True)
class Page:
    """A part of a list, how many there are on all pages, and the position of the last row where more follow."""

    rows: list[dict[str, Any]]
    total: int
    next: Any


def list_attempts(*, user: User, limit: int, offset: int = 0, cursor: Position | None = None, **filters: Any) -> Page:
    """A page of the user's attempts, newest first; those after `cursor` where one is given.

    Following `next` repeats nothing and skips nothing that was there when the first page was read: the order is total,
    no attempt changes its position, and each page begins where the last one ended. What arrives meanwhile is shown if
    its time is below that, once.
    """
    if filters or cursor:
        found = Attempt.objects.history_of(user).matching(**filters)
        total = found.count() if filters else count_attempts(user)
        rows = list((found.older_than(cursor) if cursor else found[offset:]).as_listed()[: limit + 1])
    else:
        listed = HISTORY.rows(user.pk, user.pk, limit + 1, offset)
        total = listed[0][-1] if listed else count_attempts(user)
        rows = [dict(zip(HISTORY_FIELDS, row, strict=False)) for row in listed]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], total, last and Position(last["created_at"], last["id"]))


def count_attempts(user: User) -> int:
    """Of thousands of questions at most, where the attempts may be a hundred thousand."""
    total: int = ATTEMPT_COUNT.rows(user.pk)[0][0]
    return total


def show_attempt(*, user: User, attempt_id: UUID) -> dict[str, Any]:
    """One of the user's own attempts.

    Raises:
        NotFound: there is none, or it is another user's.
    """
    found = SHOWN_ATTEMPT.dicts(attempt_id, user.pk)
    if not found:
        raise NotFound
    return found[0]


def list_questions(*, user: User, limit: int, cursor: int = 0) -> Page:
    """What the user has reached on each question, in the order of the questions' numbers."""
    rows = QUESTION_PAGE.dicts(user.pk, cursor, limit + 1)
    last = rows[limit - 1]["question_id"] if len(rows) > limit else None
    return Page(rows[:limit], QUESTION_COUNT.rows(user.pk)[0][0], last)


EXPORTED = (
    "id",
    "question_id",
    "language",
    "submitted_code",
    "passed_tests",
    "total_tests",
    "runtime_ms",
    "created_at",
)


def export_attempts(*, user: User) -> Iterator[dict[str, Any]]:
    """All of the user's attempts with their code, newest first, read a few dozen at a time."""
    found = Attempt.objects.history_of(user).values(*EXPORTED, is_solved=F("solved"))
    rows = list(found[:CHUNK])
    while rows:
        yield from rows
        rows = list(found.older_than(Position(rows[-1]["created_at"], rows[-1]["id"]))[:CHUNK])
    ensure_account_exists(user)


def export_questions(*, user: User) -> Iterator[dict[str, Any]]:
    rows = QUESTION_PAGE.dicts(user.pk, 0, CHUNK)
    while rows:
        yield from rows
        rows = QUESTION_PAGE.dicts(user.pk, rows[-1]["question_id"], CHUNK)
    ensure_account_exists(user)


def export_history(*, user: User) -> Iterator[tuple[str, Any]]:
    """All that this app holds about the user, a section at a time."""
    yield "attempts", export_attempts(user=user)
    yield "questions", export_questions(user=user)
    keys = IdempotencyKey.objects.filter(user=user).order_by("created_at")
    yield "idempotency_keys", keys.values("key", "attempt_id", "created_at").iterator()


def ensure_account_exists(user: User) -> None:
    """An export that its account's deletion cut short must not look complete.

    Raises:
        NotAuthenticated: the account was deleted meanwhile.
    """
    if not User.objects.filter(pk=user.pk).exists():
        raise NotAuthenticated
