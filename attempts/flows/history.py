"""Reading one's attempts, a page at a time or all of them."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from attempts import ranks
from attempts.flows.recording import LISTED, listed
from attempts.models import Attempt, IdempotencyKey, Place, QuestionStatus, Totals
from core.errors import NotAuthenticated, NotFound

SHOWN = ("id", "question_id", "language", "submitted_code", "passed_tests", "total_tests", "created_at")
EXPORTED = (*SHOWN[:-1], "runtime_ms", "created_at")
DEEP = 1_000  # what is skipped by reading it
BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)
CHUNK = 64  # of 64 KiB at most each: what an export holds at a time


@dataclass(frozen=True)
class Page:
    """A part of a list. Where the client has it already, it is not read."""

    rows: list[dict[str, Any]] | None
    etag: str = ""
    total: int = 0
    next: Any = None  # the place of the last row, where there is more


def list_attempts(
    *, user: User, limit: int, offset: int, cursor: Place | None = None, known: Container[str] = (), **filters: Any
) -> Page:
    """A page of the user's attempts, newest first; those after `cursor` where one is given.

    The totals are read first: if an attempt arrives in between, the page is newer than its ETag, and never older.
    """
    totals = Totals.of(user)
    etag = "" if cursor or offset else totals.etag("attempts", limit, sorted(filters.items()))
    if etag and etag in known:
        return Page(None, etag)
    bound = None
    if cursor:
        offset = 0
    elif offset >= DEEP:
        bound, offset = ranks.skip(user, offset, **filters) or (BEFORE_ALL, 0)
    found = read(user, cursor, bound, slice(offset, offset + limit + 1), **filters)
    rows = [listed(row) for row in found]
    last = rows[limit - 1] if len(rows) > limit else None
    place = last and Place(last["created_at"], last["id"])
    total = totals.counted(**filters) if filters.keys() <= {"solved"} else ranks.count(user, **filters)
    return Page(rows[:limit], etag, total, place)


def read(user: User, cursor: Place | None, bound: datetime | None, part: slice, **filters: Any) -> list[dict[str, Any]]:
    """A part of the attempts that pass the filters, newest first.

    The indexes by a filter are by outcome too. Without an outcome both are read and merged, here: PostgreSQL reads all
    of both for a UNION, and Django for SQLite makes none of what is limited.
    """

    def of_outcome(**outcome: Any) -> QuerySet[Any, Any]:
        found = Attempt.objects.history_of(user).matching(**filters, **outcome)
        found = found.older_than(cursor) if cursor else found
        rows: QuerySet[Any, Any] = (found.filter(created_at__lt=bound) if bound else found).values(*LISTED)
        return rows

    if "solved" in filters or not filters.keys() & {"question_id", "language"}:
        return list(of_outcome()[part])
    both = [row for solved in (True, False) for row in of_outcome(solved=solved)[: part.stop]]
    return sorted(both, key=itemgetter("created_at", "id"), reverse=True)[part]


def show_attempt(*, user: User, attempt_id: UUID) -> dict[str, Any]:
    """One of the user's own attempts.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    row: dict[str, Any] | None = Attempt.objects.filter(pk=attempt_id, user=user).values(*SHOWN).first()
    if row is None:
        raise NotFound
    return row


def list_questions(*, user: User, limit: int, cursor: int = 0) -> Page:
    """What the user has reached on each question, in the order of the questions' numbers."""
    totals = Totals.of(user)
    rows: list[dict[str, Any]] = list(QuestionStatus.objects.listed(user, cursor).values(*QUESTION)[: limit + 1])
    last = rows[limit - 1]["question_id"] if len(rows) > limit else None
    return Page(rows[:limit], total=totals.questions, next=last)


QUESTION = (
    "question_id",
    "attempts",
    "best_passed_tests",
    "total_tests",
    "best_runtime_ms",
    "first_attempt_at",
    "last_attempt_at",
    "solved_at",
)


def export_attempts(*, user: User) -> Iterator[dict[str, Any]]:
    """All of the user's attempts with their code, newest first, read a few dozen at a time."""
    found = Attempt.objects.history_of(user).values(*EXPORTED)
    rows = list(found[:CHUNK])
    while rows:
        yield from map(listed, rows)
        place = Place(rows[-1]["created_at"], rows[-1]["id"])
        rows = list(found.older_than(place)[:CHUNK])
    ensure_all_was_there(user)


def export_questions(*, user: User) -> Iterator[dict[str, Any]]:
    page = list_questions(user=user, limit=CHUNK)
    while page.rows:
        yield from page.rows
        page = list_questions(user=user, limit=CHUNK, cursor=page.next) if page.next else Page(None)
    ensure_all_was_there(user)


def export_history(*, user: User) -> Iterator[tuple[str, Any]]:
    """All that this app holds about the user, a section at a time."""
    yield "attempts", export_attempts(user=user)
    yield "questions", export_questions(user=user)
    keys = IdempotencyKey.objects.filter(user=user).order_by("created_at")
    yield "idempotency_keys", keys.values("key", "attempt_id", "created_at").iterator()


def ensure_all_was_there(user: User) -> None:
    """An export that its account's deletion cut short must not look complete.

    Raises:
        NotAuthenticated: the account was deleted meanwhile.
    """
    if not User.objects.filter(pk=user.pk).exists():
        raise NotAuthenticated
