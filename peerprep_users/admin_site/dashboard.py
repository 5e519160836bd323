"""The index page of the admin site: what it shows, and where each number leads."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest

from accounts.admin.base import changelist_url
from accounts.models import LoginGuard, Mail, Role, Session, User
from core.estimates import RowCount, count_or_estimate
from peerprep_users.admin_site.charts import BLUE, GREEN, RED, Chart, Series
from peerprep_users.admin_site.daily_stats import DAYS_BEFORE_PURGE, DAYS_SHOWN, DailyStats, load_stats

SHOWN_LANGUAGES = 8
SHOWN_QUESTIONS = 10
PERIODS = (7, 30, DAYS_SHOWN)  # days
LEAST_ATTEMPTS = 5  # before a question is called hard


@dataclass(frozen=True)
class Total:
    title: str
    count: RowCount
    link: str
    note: str = ""
    alarm: bool = False


@dataclass(frozen=True)
class QuestionRate:
    number: str
    attempts: int
    solved_percent: float


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the theme calls before it renders the index page."""
    by_label = {"attempts": "solved", "question_attempts": "question_solved"}
    stats = load_stats(chosen_period(request), by_day=["mails"], by_label=by_label)
    return {
        **context,
        "title": "Overview",
        "totals": totals(),
        "charts": [*charts_by_day(stats), chart_of_languages(stats)],
        "hardest": hardest_questions(stats),
        "as_of": stats.at,
        "dates": stats.dates,
        "periods": PERIODS,
        "uncounted": stats.uncounted,
    }


def chosen_period(request: HttpRequest) -> int:
    """In days; an address that names none of them gets the default."""
    return next((period for period in PERIODS if str(period) == request.GET.get("days")), 30)


def totals() -> list[Total]:
    users = count_or_estimate(User.objects.all())
    verified = count_or_estimate(User.objects.filter(is_verified=True))
    admins = count_or_estimate(User.objects.filter(role=Role.ADMIN))
    locked = count_or_estimate(User.objects.filter(email__in=LoginGuard.objects.locked().values("address")))
    waiting = count_or_estimate(Mail.objects.waiting())
    dead = count_or_estimate(Mail.objects.filter(state=Mail.State.DEAD))
    share = f"{min(100 * verified.value // users.value, 100)}%" if users.value else ""
    return [
        Total("Users", users, changelist_url("accounts_user")),
        Total("Verified", verified, changelist_url("accounts_user", is_verified__exact=1), note=share),
        Total(
            "Live sessions", count_or_estimate(Session.objects.live()), changelist_url("accounts_session", live="yes")
        ),
        Total("Admins", admins, changelist_url("accounts_user", role__exact=Role.ADMIN)),
        Total("Locked now", locked, changelist_url("accounts_user", locked="yes")),
        Total("Queued mails", waiting, changelist_url("accounts_mail", outcome="queued")),
        Total("Dead mails", dead, changelist_url("accounts_mail", outcome="dead"), alarm=dead.value > 0),
    ]


def charts_by_day(stats: DailyStats) -> list[Chart]:
    def series(title: str, name: str, label: str = "", colour: str = BLUE) -> Series:
        return Series(title, stats.series(name, label), colour, before=stats.sum_before(name, label))

    def chart(title: str, rows: str, time: str, *lines: Series, since: date = stats.dates[0]) -> Chart:
        links = [
            changelist_url(rows, **{f"{time}_from": day, f"{time}_to": day}) if day >= since else ""
            for day in stats.dates
        ]
        days = [*(f"{day:%-d %b}" for day in stats.dates[:-1]), "today"]
        return Chart(title, changelist_url(rows), days, lines, links)

    kept = stats.dates[-1] - timedelta(days=DAYS_BEFORE_PURGE)  # older rows may be gone, and their days lead nowhere
    failed, locks = series("Failed logins", "failed_logins"), series("Locks", "locks", colour=RED)
    attempts, solved = series("Attempts", "attempts"), stats.series("solved")
    rates = [percentage(part, whole) for part, whole in zip(solved, attempts.numbers, strict=True)]
    mails, dead = series("Mails", "mails"), series("Dead", "mails", "dead", RED)
    return [
        chart("Registrations", "accounts_user", "created_at", series("Registrations", "registrations")),
        chart("Logins", "accounts_session", "created_at", series("Logins", "logins"), since=kept),
        chart("Failed logins and locks", "axes_accessfailurelog", "attempt_time", failed, locks),
        chart(
            "Attempts and solve rate",
            "attempts_attempt",
            "created_at",
            attempts,
            Series("Solved, %", rates, percent=True),
        ),
        chart("Mails", "accounts_mail", "created_at", mails, dead, since=kept),
    ]


def chart_of_languages(stats: DailyStats) -> Chart:
    used = stats.labels["attempts"].most_common(SHOWN_LANGUAGES)
    languages = [language for language, _ in used]
    attempts = [number for _, number in used]
    solved = [stats.labels["solved"][language] for language in languages]
    lines = [Series("Attempts", attempts), Series("Solved", solved, GREEN)]
    return Chart("Languages", changelist_url("attempts_attempt"), languages, lines, first="Language", sideways=True)


def hardest_questions(stats: DailyStats) -> list[QuestionRate]:
    """The questions with the lowest share of solving attempts, of those that are tried often enough."""
    tried, solved = stats.labels["question_attempts"], stats.labels["question_solved"]
    enough = max(LEAST_ATTEMPTS, max(tried.values(), default=0) // 10)
    questions = [
        QuestionRate(number, attempts, percentage(solved[number], attempts) or 0.0)
        for number, attempts in tried.items()
        if attempts >= enough
    ]
    return sorted(questions, key=lambda question: (question.solved_percent, -question.attempts))[:SHOWN_QUESTIONS]


def percentage(part: float | None, whole: float | None) -> float | None:
    return round(100 * part / whole, 1) if whole and part is not None else None
