"""What the user's attempts come to, from what was counted when they were recorded."""

from bisect import bisect
from collections import Counter
from collections.abc import Collection, Container
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import count, groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import Func, IntegerField, Sum, Value
from django.utils import timezone

from accounts.models import User
from attempts.flows.history import Page
from attempts.models import LanguageCount, QuarterHour, Totals

DAY = timedelta(days=1)


def summarise(*, user: User, known: Container[str] = ()) -> Page:
    """Totals; `solved` counts distinct questions."""
    totals = Totals.of(user)
    etag = totals.etag("summary")
    if etag in known:
        return Page(None, etag)
    summary = {
        "total_attempts": totals.attempts,
        "solved": totals.solved_questions,
        "last_attempt_at": totals.last_attempt_at,
    }
    return Page([summary], etag)


def show_statistics(*, user: User) -> dict[str, Any]:
    """Rates are None where there is nothing to divide by."""
    totals = Totals.of(user)
    counts = LanguageCount.objects.filter(user=user).order_by("-attempts", "language")
    return {
        "acceptance_rate": totals.solving_attempts / totals.attempts if totals.attempts else None,
        "by_language": list(counts.values("language", "attempts", "solved")),
        "average_attempts_to_solve": (
            totals.attempts_to_solve / totals.solved_questions if totals.solved_questions else None
        ),
    }


def show_activity(*, user: User, tz: ZoneInfo, days: int) -> dict[str, Any]:
    """Attempts of each of the last `days` days, today included, as the zone counts days."""
    today = timezone.now().astimezone(tz).date()
    attempts, solved = by_day(user, today, days, tz)
    dates = days_until(today, days)
    runs = [len(list(run)) for active, run in groupby(day in attempts for day in dates) if active]
    current = current_streak(user, today, days, tz, attempts)
    return {
        "days": [{"date": day, "attempts": attempts[day], "solved": solved[day]} for day in dates],
        "current_streak": current,
        "longest_streak": max([current, *runs]),
        "active_days": sum(runs),
    }


def days_until(today: date, days: int) -> list[date]:
    return [today - number * DAY for number in reversed(range(days))]


def by_day(user: User, today: date, days: int, tz: ZoneInfo) -> tuple[Counter[date], Counter[date]]:
    """Attempts and solving ones of each of the last days that has any."""
    attempts, solved = Counter[date](), Counter[date]()
    dates = days_until(today, days)
    for number, tried, won in count_days(user, starts(dates[0], days, tz)):
        attempts[dates[number - 1]] += tried
        solved[dates[number - 1]] += won
    return attempts, solved


def current_streak(user: User, today: date, days: int, tz: ZoneInfo, active: Container[date]) -> int:
    """The run of active days that ends today, or yesterday: today is not over yet.

    Where it is as long as what was read, twice as much is read: as much as the streak is long, whatever the history.
    """
    last = today if today in active else today - DAY
    length = next(number for number in count() if last - number * DAY not in active)
    if last - length * DAY > today - days * DAY:
        return length
    return current_streak(user, today, 2 * days, tz, by_day(user, today, 2 * days, tz)[0])


@lru_cache(maxsize=256)
def starts(first: date, days: int, tz: ZoneInfo) -> list[int]:
    """Where each day begins; kept, since most users share a zone, and zones are slow."""
    return [start_of(first + number * DAY, tz) for number in range(days)]


def count_days(user: User, begins: list[int]) -> list[tuple[int, int, int]]:
    """Attempts and solving ones of the days that begin at these quarters; the first day is 1."""
    found = QuarterHour.objects.filter(user=user, quarter__gte=begins[0])
    if connection.vendor == "postgresql":
        day = Func(
            "quarter", Value(begins, ArrayField(IntegerField())), function="width_bucket", output_field=IntegerField()
        )
        days = found.values(day=day).annotate(tried=Sum("attempts"), won=Sum("solved"))
        return list(days.values_list("day", "tried", "won"))
    rows = found.values_list("quarter", "attempts", "solved")
    return [(bisect(begins, quarter), tried, won) for quarter, tried, won in rows]


def start_of(day: date, tz: ZoneInfo) -> int:
    """The quarter of an hour in which a day begins: with the first of two midnights, or after one that is left out."""
    return int(datetime.combine(day, time(), tz).timestamp()) // QuarterHour.SECONDS


FIGURES = ("attempts", "solved")


def figures_of(users: Collection[UUID]) -> dict[UUID, dict[str, int]]:
    """How many attempts each of these users has made, and how many questions they have solved."""
    found = Totals.objects.filter(user__in=users).values_list("user", "attempts", "solved_questions")
    return {user: dict(zip(FIGURES, counts, strict=True)) for user, *counts in found}
