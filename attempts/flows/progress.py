"""What a user's attempts come to."""

from bisect import bisect
from collections import Counter
from collections.abc import Collection, Container, Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, Sum
from django.utils import timezone

from accounts.models import User
from attempts.models import Attempt, QuestionStatus
from attempts.queries import BY_DAY, BY_LANGUAGE, STATISTICS, SUMMARY
from core.queries import ON_POSTGRESQL

DAY = timedelta(days=1)


def summarise(*, user: User) -> dict[str, Any]:
    """Totals; `solved` counts distinct questions."""
    return SUMMARY.dicts(user.pk)[0]


def show_statistics(*, user: User) -> dict[str, Any]:
    """Rates are None where there is nothing to divide by."""
    counts = STATISTICS.dicts(user.pk)[0]
    return {
        "acceptance_rate": counts["solving"] / counts["attempts"] if counts["attempts"] else None,
        "by_language": BY_LANGUAGE.dicts(user.pk),
        "average_attempts_to_solve": counts["to_solve"] / counts["questions"] if counts["questions"] else None,
    }


def show_activity(*, user: User, tz: ZoneInfo, days: int) -> dict[str, Any]:
    """Attempts of each of the last `days` days, today included, as the zone counts days.

    The current streak ends today, or yesterday while today has none. It has its true length: where it goes back to the
    first day that was read, as many before it are read.
    """
    today = timezone.now().astimezone(tz).date()
    dates = days_until(today, days)
    attempts, solved = count_by_day(user, dates, tz)
    runs = [len(list(run)) for active, run in groupby(day in attempts for day in dates) if active]
    reach, active = days, set(attempts)
    while (current := current_streak(today, active)) >= reach - 1:
        active |= set(count_by_day(user, days_until(today - reach * DAY, reach), tz)[0])
        reach *= 2
    return {
        "days": [{"date": day, "attempts": attempts[day], "solved": solved[day]} for day in dates],
        "current_streak": current,
        "longest_streak": max([current, *runs]),
        "active_days": sum(runs),
    }


def days_until(today: date, days: int) -> list[date]:
    return [today - number * DAY for number in reversed(range(days))]


def current_streak(today: date, active: Container[date]) -> int:
    last = today if today in active else today - DAY
    return next(number for number in count() if last - number * DAY not in active)


def count_by_day(user: User, dates: list[date], tz: ZoneInfo) -> tuple[Counter[date], Counter[date]]:
    """Attempts and solving ones of each of the days, which follow each other.

    The zone's days are reckoned here and not by the database, whose own list of zones may be another.
    """
    begins = [datetime.combine(day, time(), tz).astimezone(UTC) for day in (*dates, dates[-1] + DAY)]
    rows: Iterable[tuple[Any, ...]]
    if ON_POSTGRESQL:
        rows = BY_DAY.rows(begins, user.pk, begins[0], begins[-1])
    else:
        found = Attempt.objects.filter(user=user, created_at__gte=begins[0], created_at__lt=begins[-1])
        times = found.values_list("created_at", "solved")
        rows = ((bisect(begins, created_at), 1, int(solved)) for created_at, solved in times)
    attempts, solved = Counter[date](), Counter[date]()
    for number, made, solving in rows:
        attempts[dates[number - 1]] += made
        solved[dates[number - 1]] += solving
    return attempts, solved


def counts_by_user(users: Collection[UUID]) -> dict[UUID, dict[str, int]]:
    """How many attempts each of these users has made, and how many questions they have solved."""
    found = QuestionStatus.objects.filter(user__in=users).values_list("user")
    counts = found.annotate(attempts=Sum("attempts"), solved=Count("solved_at"))
    return {user: {"attempts": attempts, "solved": solved} for user, attempts, solved in counts}
