"""What happened on each day, in numbers: counted once and kept when the day is over, counted on demand until then.

Days are UTC days. What is kept outlives the rows that were counted: sessions, mails, accounts.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import inf
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import AuditEntry, Mail, Session, User
from attempts.models import Attempt
from peerprep_users.models import DailyFigure

DAYS = 90  # what is shown, today included
SETTLED = timedelta(hours=1)  # so long after its end, a mail of the day is sent or dead, and every transaction over
LABELS = 1000  # of a name over all days, the most frequent
PASS = 0.5  # seconds that the background worker counts at a time

Counts = dict[tuple[str, str], int]  # by name and label


@dataclass(frozen=True)
class Source:
    """Something to count.

    Args:
        names: its figures. Of the first there is one without a label for every counted day, be it 0.
        count: the figures of the time from the first moment on, and before the second.
        reach: of how many days before today all rows are still there.
    """

    names: tuple[str, ...]
    count: Callable[[datetime, datetime], Counts]
    reach: int = DAYS - 1


# --- What is counted -------------------------------------------------------------------------------------------


def within(rows: QuerySet[Any], at: str, begin: datetime, end: datetime) -> QuerySet[Any]:
    return rows.order_by().filter(**{f"{at}__gte": begin, f"{at}__lt": end})


def registrations(begin: datetime, end: datetime) -> Counts:
    return {("registrations", ""): within(User.objects.all(), "created_at", begin, end).count()}


def logins(begin: datetime, end: datetime) -> Counts:
    """The sessions that began, those of registrations among them."""
    return {("logins", ""): within(Session.objects.all(), "created_at", begin, end).count()}


def locks(begin: datetime, end: datetime) -> Counts:
    entries = AuditEntry.objects.filter(kind=AuditEntry.Kind.ACCOUNT_LOCKED)
    return {("locks", ""): within(entries, "occurred_at", begin, end).count()}


def mails(begin: datetime, end: datetime) -> Counts:
    """Those that were asked for, by what has become of them."""
    states = within(Mail.objects.all(), "created_at", begin, end).values_list("state").annotate(Count("pk"))
    found = {("mails", str(state)): number for state, number in states}
    return {("mails", ""): sum(found.values()), **found}


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


SOURCES = [
    Source(("registrations",), registrations),
    Source(("locks",), locks),
    # Housekeeping removes a session 7 days after its end, a mail 7 days after it was queued.
    Source(("logins",), logins, reach=6),
    Source(("mails",), mails, reach=6),
    Source(("attempts", "solved", "question_attempts", "question_solved"), count_attempts),
]


# --- Keeping --------------------------------------------------------------------------------------------------------


def count_finished_days() -> bool:
    """Counts for a moment what is due. Returns whether there is more."""
    keep_due(seconds=PASS)
    return bool(due())


def keep_due(*, seconds: float = inf, progress: Callable[[int], object] = lambda days: None) -> int:
    """Counts the days that are over and not kept yet, until the time is used up. Returns how many it kept."""
    started, kept = time.monotonic(), 0
    for day, sources in due().items():
        kept += keep(day, sources)
        progress(1)
        if time.monotonic() - started > seconds:
            break
    return kept


def due() -> dict[date, list[Source]]:
    """What is to be counted of which days, the newest day first."""
    today = timezone.now().date()
    over = (timezone.now() - SETTLED).date()
    kept = set(DailyFigure.objects.totals(today - timedelta(DAYS)).values_list("name", "day"))
    days = {
        day: [source for source in SOURCES if age <= source.reach and (source.names[0], day) not in kept]
        for age in range(1, DAYS)
        if (day := today - timedelta(age)) < over
    }
    return {day: sources for day, sources in days.items() if sources}


def keep(day: date, sources: Iterable[Source]) -> bool:
    """Keeps what a day comes to; False where somebody else has just done so, which the unique constraint decides."""
    rows = [
        DailyFigure(day=day, name=name, label=label, value=value)
        for (name, label), value in sorted(counted(day, sources).items())
    ]
    try:
        with transaction.atomic():
            DailyFigure.objects.bulk_create(rows)
    except IntegrityError:
        return False
    return True


def counted(day: date, sources: Iterable[Source]) -> Counts:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    figures: Counts = {}
    for source in sources:
        figures |= source.count(begin, begin + timedelta(1))
    return figures


def count_again(*, progress: Callable[[int], object]) -> None:
    """Counts anew every day of which all rows are there: after rows of the past were added."""
    today = timezone.now().date()
    for source in SOURCES:
        DailyFigure.objects.filter(name__in=source.names, day__gte=today - timedelta(source.reach)).delete()
    keep_due(progress=progress)


# --- Reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """What is known of the days up to today.

    Args:
        days: of each name and label, by day. A day is absent where it is not counted.
        labels: of each name, over all those days, by label.
    """

    at: datetime
    days: dict[tuple[str, str], dict[date, int]]
    labels: dict[str, Counter[str]]

    def series(self, name: str, label: str = "") -> list[int | None]:
        """One number for each of the days, oldest first; None where the day is not counted."""
        known = self.days.get((name, label), {})
        missing = 0 if label else None
        return [known.get(day, missing) for day in self.dates]

    @property
    def uncounted(self) -> int:
        """Of how many days a figure is missing."""
        known = [self.days.get((source.names[0], ""), {}) for source in SOURCES]
        return len([day for day in self.dates if not all(day in days for days in known)])

    @property
    def dates(self) -> list[date]:
        return [self.at.date() - timedelta(age) for age in reversed(range(DAYS))]


def summarise(*, by_day: Collection[str], by_label: Mapping[str, str]) -> Summary:
    """Reads what is kept, and counts what is not over yet.

    Args:
        by_day: the names of which each day's parts are wanted beside the total.
        by_label: the names of which each label's sum is wanted, and the name of a part of it.
    """
    now = timezone.now()
    first = now.date() - timedelta(DAYS - 1)
    days: dict[tuple[str, str], dict[date, int]] = defaultdict(dict)
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for name, label, day, value in DailyFigure.objects.series(first, by_day):
        days[name, label][day] = value
    for whole, part in by_label.items():
        for label, *sums in DailyFigure.objects.shares(first, whole, part, LABELS):
            labels[whole][label], labels[part][label] = sums
    for day in open_days(now):
        for (name, label), value in counted(day, SOURCES).items():
            days[name, label][day] = value
            if label:
                labels[name][label] += value
    return Summary(now, days, labels)


def open_days(now: datetime) -> list[date]:
    """Today, and yesterday while it is not settled."""
    return sorted({now.date(), (now - SETTLED).date()})
