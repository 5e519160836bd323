"""Reading one's attempts, a page at a time or all of them."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

from accounts.models import User
from attempts.flows.recording import LISTED, listed
from attempts.models import Attempt, AttemptQuerySet, LanguageCount, Place, QuarterHour, QuestionStatus, Totals
from peerprep_users.errors import NotFound

SHOWN = ("id", "question_id", "language", "submitted_code", "passed_tests", "total_tests", "created_at")
EXPORTED = (*SHOWN[:-1], "runtime_ms", "created_at")
COUNTED_UP_TO = 10_000
DEEP = 10_000
CHUNK = 500


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
    found = Attempt.objects.history_of(user).matching(**filters)
    if cursor:
        found, offset = found.older_than(cursor), 0
    elif offset >= DEEP and not filters:
        found, offset = jump(user, found, offset)
    rows = [listed(row) for row in found.values(*LISTED)[offset : offset + limit + 1]]
    last = rows[limit - 1] if len(rows) > limit else None
    place = last and Place(last["created_at"], last["id"])
    return Page(rows[:limit], etag, total(user, totals, **filters), place)


def total(user: User, totals: Totals, **filters: Any) -> int:
    """How many attempts pass the filters: as counted already, or else counted up to a limit."""
    if not filters:
        return totals.attempts
    if filters.keys() == {"solved"}:
        return totals.solving_attempts if filters["solved"] else totals.attempts - totals.solving_attempts
    for name, model in COUNTED.items():
        if filters.keys() == {name}:
            counted = model._default_manager.filter(user=user, **filters).values_list("attempts", flat=True)  # noqa: SLF001
            return counted.first() or 0
    return Attempt.objects.filter(user=user).matching(**filters)[:COUNTED_UP_TO].count()


COUNTED: dict[str, type[Model]] = {"question_id": QuestionStatus, "language": LanguageCount}


def jump(user: User, found: AttemptQuerySet, offset: int) -> tuple[AttemptQuerySet, int]:
    """Skips whole quarters of an hour by their counts: a deep page then skips no more attempts than its quarter has."""
    with connection.cursor() as cursor:
        cursor.execute(JUMP, [id_of(user), offset])
        row = cursor.fetchone()
    if row is None:
        return found.none(), 0
    quarter, skipped = row
    end = datetime.fromtimestamp((quarter + 1) * QuarterHour.SECONDS, UTC)
    return found.filter(created_at__lt=end), offset - skipped


def id_of(user: User) -> Any:
    return User._meta.pk.get_db_prep_value(user.pk, connection)  # noqa: SLF001


JUMP = """
SELECT quarter, reached - attempts FROM (
    SELECT quarter, attempts, sum(attempts) OVER (ORDER BY quarter DESC) AS reached FROM user_activity
    WHERE user_id = %s
) counted WHERE reached > %s ORDER BY quarter DESC LIMIT 1
"""


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
    """All of the user's attempts with their code, newest first, read a few hundred at a time."""
    found = Attempt.objects.history_of(user).values(*EXPORTED)
    rows = list(found[:CHUNK])
    while rows:
        yield from map(listed, rows)
        place = Place(rows[-1]["created_at"], rows[-1]["id"])
        rows = list(found.older_than(place)[:CHUNK])


def export_questions(*, user: User) -> Iterator[dict[str, Any]]:
    page = list_questions(user=user, limit=CHUNK)
    while page.rows:
        yield from page.rows
        page = list_questions(user=user, limit=CHUNK, cursor=page.next) if page.next else Page(None)
