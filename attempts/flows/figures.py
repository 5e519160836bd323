"""The attempts of a day, in numbers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from accounts.flows.figures import Counts, Source
from attempts.models import Attempt

# Clients name languages and questions, so there may be any number of them: the most frequent of each day are kept.
LANGUAGES = 50
QUESTIONS = 500
NUMBERS = {"attempts": Count("pk"), "solved": Count("pk", filter=Q(solved=True))}


def count_attempts(begin: datetime, end: datetime) -> Counts:
    rows = begun_within(begin, end)
    totals = rows.aggregate(**NUMBERS)
    return {
        **{(name, ""): totals[name] for name in NUMBERS},
        **parts(rows, "language", LANGUAGES, prefix=""),
        **parts(rows, "question_id", QUESTIONS, prefix="question_"),
    }


def begun_within(begin: datetime, end: datetime) -> QuerySet[Attempt]:
    """By their ids, which begin with the time: there is no index on the time alone, and none is needed."""
    return Attempt.objects.order_by().filter(pk__gte=first_id(begin), pk__lt=first_id(end))


def first_id(at: datetime) -> UUID:
    """What no UUIDv7 of that millisecond, or later, is below."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def parts(rows: QuerySet[Attempt], column: str, most: int, *, prefix: str) -> Counts:
    found: Any = rows.values(column).annotate(**NUMBERS).order_by("-attempts", column)[:most]
    return {(prefix + name, str(row[column])): row[name] for row in found for name in NUMBERS if row[name]}


SOURCE = Source(("attempts", "solved", "question_attempts", "question_solved"), count_attempts)
