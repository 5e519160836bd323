"""The index page of the admin site: what it shows, and where each number leads."""

import json
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from accounts import login_guard
from accounts.models import Mail, Role, Session, User
from peerprep_users.admin_site.charts import GREEN, RED, Chart, Series
from peerprep_users.admin_site.daily_stats import DailyStats, load_stats

EXACT = 10_000  # what is counted in a moment; of more, PostgreSQL's estimate is shown
MOST = 100_000  # where that turns out too low, counting ends here
ATTEMPTS = "attempts_attempt"  # by name: this app does not know the one that keeps them
LANGUAGES = 8
HARDEST = 10
LEAST = 5  # attempts, before a question is called hard


@dataclass(frozen=True)
class Amount:
    """A number of rows, or about how many they are."""

    value: int
    about: bool = False

    def __str__(self) -> str:
        return f"{'about ' if self.about else ''}{self.value:,}"


@dataclass(frozen=True)
class Total:
    title: str
    amount: Amount
    link: str
    note: str = ""
    alarm: bool = False


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the theme calls before it renders the index page."""
    by_label = {"attempts": "solved", "question_attempts": "question_solved"}
    figures = load_stats(by_day=["mails"], by_label=by_label)
    return {
        **context,
        "title": "Overview",
        "totals": totals(),
        "charts": charts(figures),
        "hardest": hardest(figures),
        "as_of": figures.at,
        "dates": figures.dates,
        "uncounted": figures.uncounted,
    }


# --- Totals ---------------------------------------------------------------------------------------------------------


def amount(rows: QuerySet[Any]) -> Amount:
    """No full count of a large table: that would read all of it."""
    if connection.vendor == "postgresql":
        estimate = json.loads(rows.order_by().explain(format="json"))[0]["Plan"]["Plan Rows"]
        if estimate > EXACT:
            return Amount(estimate, about=True)
    found = rows.order_by()[: MOST + 1].count()
    return Amount(min(found, MOST), about=found > MOST)


def totals() -> list[Total]:
    users, verified = amount(User.objects.all()), amount(User.objects.filter(is_verified=True))
    locked = User.objects.filter(email__in=login_guard.locks().values("username"))
    dead = amount(Mail.objects.filter(state=Mail.State.DEAD))
    return [
        Total("Users", users, path(User)),
        Total("Verified", verified, path(User, is_verified__exact=1), note=share(verified.value, users.value)),
        Total("Live sessions", amount(Session.objects.live()), path(Session, live="yes")),
        Total("Admins", amount(User.objects.filter(role=Role.ADMIN)), path(User, role__exact=Role.ADMIN)),
        Total("Locked now", amount(locked), path(User, locked="yes")),
        Total("Mails waiting", amount(Mail.objects.waiting()), path(Mail, outcome=Mail.State.QUEUED)),
        Total("Dead mails", dead, path(Mail, outcome=Mail.State.DEAD), alarm=dead.value > 0),
    ]


def share(part: int, whole: int) -> str:
    return f"{min(part / whole, 1):.0%}" if whole else ""


def path(model: Any, **query: Any) -> str:
    """The list of a model's rows, filtered."""
    name = model if isinstance(model, str) else f"{model._meta.app_label}_{model._meta.model_name}"  # noqa: SLF001
    return reverse(f"admin:{name}_changelist", query={key: str(value) for key, value in query.items()})


# --- Charts ---------------------------------------------------------------------------------------------------------


def charts(figures: DailyStats) -> list[Chart]:
    attempts, solved, series = figures.series("attempts"), figures.series("solved"), figures.series
    by_day = {
        ("Registrations", path(User)): [Series("Registrations", series("registrations"))],
        ("Logins and locks", path(Session)): [
            Series("Logins", series("logins")),
            Series("Locks", series("locks"), RED),
        ],
        ("Attempts and solve rate", path(ATTEMPTS)): [
            Series("Attempts", attempts),
            Series("Solved, %", [*map(percentage, solved, attempts)], GREEN, percent=True),
        ],
        ("Mails", path(Mail)): [Series("Mails", series("mails")), Series("Dead", series("mails", "dead"), RED)],
    }
    days = [f"{day:%-d %b}" for day in figures.dates]
    drawn = [Chart(title, link, days, lines, kind="bar") for (title, link), lines in by_day.items()]
    return [*drawn, languages(figures)]


def languages(figures: DailyStats) -> Chart:
    used = figures.labels["attempts"].most_common(LANGUAGES)
    return Chart(
        "Languages",
        path(ATTEMPTS),
        [language for language, _ in used],
        [
            Series("Attempts", [number for _, number in used]),
            Series("Solved", [figures.labels["solved"][language] for language, _ in used], GREEN),
        ],
        first="Language",
        kind="bar",
        sideways=True,
    )


def percentage(part: float | None, whole: float | None) -> float | None:
    return round(100 * part / whole, 1) if whole and part is not None else None


@dataclass(frozen=True)
class Question:
    number: str
    attempts: int
    solved: int
    link: str

    @property
    def rate(self) -> float:
        return percentage(self.solved, self.attempts) or 0.0


def hardest(figures: DailyStats) -> list[Question]:
    """Those that are solved least often, of those that are tried often enough for that to mean something."""
    tried, solved = figures.labels["question_attempts"], figures.labels["question_solved"]
    enough = max(LEAST, max(tried.values(), default=0) // 10)
    questions = [
        Question(number, attempts, solved[number], path(ATTEMPTS, question_id__exact=number))
        for number, attempts in tried.items()
        if attempts >= enough
    ]
    return sorted(questions, key=lambda question: (question.rate, -question.attempts))[:HARDEST]
