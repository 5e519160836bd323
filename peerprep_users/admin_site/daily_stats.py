"""How often things happened each day: counted once and stored when the day is over, counted on demand until then.

Days are UTC days. What is stored outlives the rows that were counted: sessions, mails, accounts.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from axes.models import AccessFailureLog
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import AuditEntry, Mail, Session, User
from attempts.models import Attempt, first_id
from core.jobs import Turn
from peerprep_users.models import DailyFigure

DAYS_SHOWN = 90  # at most, today included
DAYS_BEFORE_PURGE = 6  # sessions are purged 7 days after their end, mails 7 days after they were queued
SETTLED = timedelta(hours=1)  # after a day's end: its mails are sent or dead by then, and its transactions over
LABELS_SHOWN = 1000  # of a name over all days, the most frequent

Counts = dict[tuple[str, str], int]  # by name and label


@dataclass(frozen=True)
class Source:
    """Something to count.

    Args:
        names: of its figures. The first has a total, an empty label, for every counted day, even if it is 0.
        count: counts from the first moment to just before the second.
        days_kept: for how many days back from today all rows still exist.
    """

    names: tuple[str, ...]
    count: Callable[[datetime, datetime], Counts]
    days_kept: int = DAYS_SHOWN - 1


# --- What is counted -------------------------------------------------------------------------------------------


def within(rows: QuerySet[Any], at: str, begin: datetime, end: datetime) -> QuerySet[Any]:
    return rows.order_by().filter(**{f"{at}__gte": begin, f"{at}__lt": end})


def registrations(begin: datetime, end: datetime) -> Counts:
    return {("registrations", ""): within(User.objects.all(), "created_at", begin, end).count()}


def logins(begin: datetime, end: datetime) -> Counts:
    """The sessions that began, including those of registrations."""
    return {("logins", ""): within(Session.objects.all(), "created_at", begin, end).count()}


def account_locks(begin: datetime, end: datetime) -> Counts:
    entries = AuditEntry.objects.filter(kind=AuditEntry.Kind.ACCOUNT_LOCKED)
    return {("locks", ""): within(entries, "occurred_at", begin, end).count()}


def failed_logins(begin: datetime, end: datetime) -> Counts:
    return {("failed_logins", ""): within(AccessFailureLog.objects.all(), "attempt_time", begin, end).count()}


def mails(begin: datetime, end: datetime) -> Counts:
    """The mails that were queued, by their present state."""
    states = within(Mail.objects.all(), "created_at", begin, end).values_list("state").annotate(Count("pk"))
    found = {("mails", str(state)): number for state, number in states}
    return {("mails", ""): sum(found.values()), **found}


# Clients name languages and questions, so there may be any number of them: the most frequent of each day are stored.
LANGUAGES_A_DAY = 50
QUESTIONS_A_DAY = 500
NUMBERS = {"attempts": Count("pk"), "solved": Count("pk", filter=Q(solved=True))}


def attempt_figures(begin: datetime, end: datetime) -> Counts:
    # By their UUIDv7 ids, which begin with the time: there is no index on the time alone.
    rows = Attempt.objects.order_by().filter(pk__gte=first_id(begin), pk__lt=first_id(end))
    totals = rows.aggregate(**NUMBERS)
    return {
        **{(name, ""): totals[name] for name in NUMBERS},
        **figures_by(rows, "language", LANGUAGES_A_DAY, prefix=""),
        **figures_by(rows, "question_id", QUESTIONS_A_DAY, prefix="question_"),
    }


def figures_by(rows: QuerySet[Attempt], column: str, most: int, *, prefix: str) -> Counts:
    found: Any = rows.values(column).annotate(**NUMBERS).order_by("-attempts", column)[:most]
    return {(prefix + name, str(row[column])): row[name] for row in found for name in NUMBERS if row[name]}


SOURCES = [
    Source(("registrations",), registrations),
    Source(("locks",), account_locks),
    Source(("failed_logins",), failed_logins),
    Source(("logins",), logins, DAYS_BEFORE_PURGE),
    Source(("mails",), mails, DAYS_BEFORE_PURGE),
    Source(("attempts", "solved", "question_attempts", "question_solved"), attempt_figures),
]


# --- Storing --------------------------------------------------------------------------------------------------------


def count_finished_days(turn: Turn) -> None:
    """Counts what is due, a day at a time. Where another process is counting too, that one goes on alone."""
    for day, sources in days_due().items():
        if turn.is_over or not store_day(day, sources):
            return


def count_due_days(*, progress: Callable[[int], object] = lambda days: None) -> int:
    """Counts all that is due. Returns for how many days it stored figures."""
    stored = 0
    for day, sources in days_due().items():
        stored += store_day(day, sources)
        progress(1)
    return stored


def days_due() -> dict[date, list[Source]]:
    """The finished days that are not fully counted, newest first, and what is still to be counted of each."""
    today = timezone.now().date()
    over = (timezone.now() - SETTLED).date()
    stored = set(DailyFigure.objects.totals(today - timedelta(DAYS_SHOWN)).values_list("name", "day"))
    days = {
        day: [source for source in SOURCES if age <= source.days_kept and (source.names[0], day) not in stored]
        for age in range(1, DAYS_SHOWN)
        if (day := today - timedelta(age)) < over
    }
    return {day: sources for day, sources in days.items() if sources}


def store_day(day: date, sources: Iterable[Source]) -> bool:
    """Counts a day and stores its figures; False where another process was faster (the unique constraint)."""
    rows = [
        DailyFigure(day=day, name=name, label=label, value=value)
        for (name, label), value in sorted(count_day(day, sources).items())
    ]
    try:
        with transaction.atomic():
            DailyFigure.objects.bulk_create(rows)
    except IntegrityError:
        return False
    return True


def count_day(day: date, sources: Iterable[Source]) -> Counts:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    figures: Counts = {}
    for source in sources:
        figures |= source.count(begin, begin + timedelta(1))
    return figures


def recount_days(*, progress: Callable[[int], object]) -> None:
    """Counts every day again whose rows all exist: for when rows with past dates were added."""
    today = timezone.now().date()
    for source in SOURCES:
        DailyFigure.objects.filter(name__in=source.names, day__gte=today - timedelta(source.days_kept)).delete()
    count_due_days(progress=progress)


# --- Reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DailyStats:
    """The figures of the last days, today included, and of as many days before.

    Args:
        at: when they were read.
        period: how many days are shown.
        days: for each name and label, the figures by day. A day that is not counted is absent.
        labels: for each name, the sums over the days shown, by label.
    """

    at: datetime
    period: int
    days: dict[tuple[str, str], dict[date, int]]
    labels: dict[str, Counter[str]]

    def series(self, name: str, label: str = "") -> list[int | None]:
        """A number for each day shown, oldest first; None where the day is not counted."""
        return self.figures(name, label, self.dates)

    def sum_before(self, name: str, label: str = "") -> int | None:
        """The sum over the period before; None where a day of it is not counted."""
        known = self.figures(name, label, [day - timedelta(self.period) for day in self.dates])
        return None if None in known else sum(number or 0 for number in known)

    def figures(self, name: str, label: str, days: Iterable[date]) -> list[int | None]:
        counted, known = self.days.get((name, ""), {}), self.days.get((name, label), {})
        return [known.get(day, 0) if day in counted else None for day in days]

    @property
    def uncounted(self) -> int:
        """For how many of the days shown a figure is missing."""
        known = [self.days.get((source.names[0], ""), {}) for source in SOURCES]
        return len([day for day in self.dates if not all(day in days for days in known)])

    @property
    def dates(self) -> list[date]:
        return [self.at.date() - timedelta(age) for age in reversed(range(self.period))]


def load_stats(period: int, *, by_day: Collection[str], by_label: Mapping[str, str]) -> DailyStats:
    """Reads the stored figures, and counts the days that are not over yet.

    Args:
        period: how many days, at most `DAYS_SHOWN`.
        by_day: names whose figures are wanted by label for each day, besides the total.
        by_label: names whose sum is wanted for each label, each with a second name whose sums are wanted with it.
    """
    now = timezone.now()
    first = now.date() - timedelta(period - 1)
    days: dict[tuple[str, str], dict[date, int]] = defaultdict(dict)
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for name, label, day, value in DailyFigure.objects.series(first - timedelta(period), by_day):
        days[name, label][day] = value
    for whole, part in by_label.items():
        for label, *sums in DailyFigure.objects.shares(first, whole, part, LABELS_SHOWN):
            labels[whole][label], labels[part][label] = sums
    for day in sorted({now.date(), (now - SETTLED).date()}):  # today, and yesterday until it is settled
        for (name, label), value in count_day(day, SOURCES).items():
            days[name, label][day] = value
            if label:
                labels[name][label] += value
    return DailyStats(now, period, days, labels)
