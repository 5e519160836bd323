"""The overview of the admin site: each day counted once, today as it is now, whatever becomes of the rows."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from random import Random
from typing import Any

import pytest
import time_machine
from axes.models import AccessFailureLog
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from playwright.sync_api import Page

from accounts.admin.base import changelist_url, user_url
from accounts.models import Mail, Session, User
from attempts.demo.rows import uuid7_at
from attempts.models import Attempt
from conftest import Api, Person, Together, browser_of, person
from core.jobs import Turn
from peerprep_users.admin_site import daily_stats
from peerprep_users.admin_site.charts import Chart, Series
from peerprep_users.admin_site.dashboard import totals
from peerprep_users.models import DailyFigure
from peerprep_users.tests.browsing import Service

pytestmark = pytest.mark.slow

LABELS = {"attempts": "solved", "question_attempts": "question_solved"}


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    """No day ends in the middle of a test."""
    with time_machine.travel(timezone.now().replace(hour=12)):
        yield


def some_attempts(user: User, count: int) -> list[Attempt]:
    """Of the last 100 days, the first and the last moment of a day among them."""
    dice = Random(1)
    midnight = datetime.combine(timezone.now().date(), datetime.min.time(), UTC)
    edges = [midnight, midnight - timedelta(milliseconds=1), midnight - timedelta(days=30)]
    times = [*edges, *(midnight - timedelta(minutes=dice.randint(0, 100 * 1440)) for _ in range(count - len(edges)))]
    return Attempt.objects.bulk_create(
        Attempt(
            id=uuid7_at(dice, at),
            user=user,
            question_id=dice.randint(1, 4),
            language=dice.choice(["c", "go"]),
            passed_tests=dice.randint(0, 1),
            total_tests=1,
            created_at=at,
        )
        for at in times
    )


def plain(made: list[Attempt], first: date) -> dict[str, Counter[Any]]:
    made = [each for each in made if each.created_at.date() >= first]
    solved = [each for each in made if each.passed_tests]
    return {
        "day": Counter(each.created_at.date() for each in made),
        "solved_day": Counter(each.created_at.date() for each in solved),
        "question_attempts": Counter(str(each.question_id) for each in made),
        "question_solved": Counter(str(each.question_id) for each in solved),
        "attempts": Counter(each.language for each in made),
        "solved": Counter(each.language for each in solved),
    }


def test_the_figures_equal_a_plain_recount_and_stay_when_the_rows_go(alice: Person, bob: Person) -> None:
    made = some_attempts(alice.user, 300)
    Mail.objects.create(kind=Mail.Kind.VERIFICATION, to="a@b.example", state="dead")
    daily_stats.count_due_days()
    found = daily_stats.load_stats(90, by_day=["mails"], by_label=LABELS)
    expected = plain(made, found.dates[0])
    assert found.series("attempts") == [expected["day"][day] for day in found.dates]
    assert found.series("solved") == [expected["solved_day"][day] for day in found.dates]
    assert {name: found.labels[name] for name in (*LABELS, *LABELS.values())} == {
        name: expected[name] for name in (*LABELS, *LABELS.values())
    }
    assert (found.series("registrations")[-1], found.series("logins")[-1]) == (2, 2)
    assert found.series("mails", "dead")[-1] == 1
    assert (found.series("logins")[-8], found.series("logins")[-7]) == (None, 0)  # purged, so not known

    Attempt.objects.all().delete()
    alice.user.delete()
    assert not daily_stats.count_due_days()
    later = daily_stats.load_stats(90, by_day=[], by_label=LABELS)
    assert later.series("attempts")[:-2] == found.series("attempts")[:-2]


def test_the_worker_counts_until_its_turn_is_over(alice: Person) -> None:
    daily_stats.count_finished_days(Turn(seconds=0))
    assert not DailyFigure.objects.exists()
    daily_stats.count_finished_days(Turn())
    assert DailyFigure.objects.exists() and not daily_stats.days_due()


def test_of_two_counts_at_once_one_is_stored(together: Together, alice: Person) -> None:
    some_attempts(alice.user, 50)
    day = timezone.now().date() - timedelta(3)
    for _ in range(20):
        DailyFigure.objects.all().delete()
        assert sorted(together(lambda _: daily_stats.store_day(day, daily_stats.SOURCES), 2)) == [False, True]
        kept = {(row.name, row.label): row.value for row in DailyFigure.objects.all()}
        assert kept == daily_stats.count_day(day, daily_stats.SOURCES)


def test_a_purge_counts_before_it_deletes(alice: Person) -> None:
    Session.objects.update(created_at=timezone.now() - timedelta(days=2))
    call_command("purge_expired")
    kept = DailyFigure.objects.filter(name="logins", day=timezone.now().date() - timedelta(2))
    assert kept.get().value == 1
    kept.update(day=timezone.now().date() - timedelta(366))
    call_command("purge_expired")
    assert not DailyFigure.objects.filter(value=1, day__lt=timezone.now().date() - timedelta(90)).exists()


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 300])
def test_the_page_costs_the_same_however_much_there_is_and_each_number_leads_to_a_list(
    admin: Person, size: int
) -> None:
    browser = browser_of(admin)
    browser.get("/admin/?days=90")
    with CaptureQueriesContext(connection) as before:
        assert browser.get("/admin/?days=90").content.decode().count("Nothing in these 90 days.") == 1
    for number in range(size // 30):
        person(f"user{number}@example.com")
    some_attempts(admin.user, size or 3)
    daily_stats.count_due_days()
    with CaptureQueriesContext(connection) as after:
        page = browser.get("/admin/?days=90").content.decode()
    assert len(after) == len(before)
    assert ("No question has enough attempts yet." in page) is not bool(size)
    main = page[page.index("As of ") :]
    links = {unescape(link) for link in re.findall(r'href="(/admin/[^"]+)"', main)}
    one_of_each_kind = {re.sub(r"\d+", "", link): link for link in links}
    assert len(one_of_each_kind) >= 14
    for link in one_of_each_kind.values():
        assert browser.get(link).status_code == 200, link


def test_locked_now_counts_the_users_that_its_list_shows(admin: Person, bob: Person) -> None:
    browser = browser_of(admin)
    for address in (bob.user.email, "nobody@example.com"):
        for _ in range(3):
            Api().post("/auth/login", {"email": address, "password": "wrong password"})
    total = next(total for total in browser.get("/admin/?days=90").context["totals"] if total.title == "Locked now")
    assert [user.name for user in browser.get(total.link).context["cl"].result_list] == ["Bob"]
    assert total.count.value == 1


# --- The charts -----------------------------------------------------------------------------------------------------


def fail_to_log_in(address: str, day: date, *, count: int = 1, **facts: Any) -> None:
    """As if it had been at noon of that day."""
    facts = {"ip_address": "192.0.2.7", "user_agent": "python-requests/2.32"} | facts
    made = AccessFailureLog.objects.bulk_create(AccessFailureLog(username=address, **facts) for _ in range(count))
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    AccessFailureLog.objects.filter(pk__in=[row.pk for row in made]).update(attempt_time=noon)


def chart_of(browser: Client, title: str, query: str = "") -> Any:
    charts = browser.get(f"/admin/?{query}").context["charts"]
    return next(chart for chart in charts if chart.title == title)


def days_ago(days: int) -> date:
    return timezone.now().date() - timedelta(days)


def count_days(first: int, last: int) -> None:
    """Stores the figures of those days, in days ago."""
    for age in range(last, first + 1):
        daily_stats.store_day(days_ago(age), daily_stats.SOURCES)


def test_the_period_is_chosen_and_compared_with_the_one_before(admin: Person, bob: Person) -> None:
    browser, failed = browser_of(admin), "Failed logins and locks"
    for age in (1, 6, 7, 13, 14):
        fail_to_log_in(bob.user.email, days_ago(age))
    count_days(12, 1)
    assert chart_of(browser, failed, "days=7").series[0].before is None
    count_days(13, 13)
    assert chart_of(browser, failed, "days=7").series[0].before == 2
    for query, days, total in (("days=7", 7, 2), ("", 30, 4), ("days=1e9", 30, 4)):
        chart = chart_of(browser, failed, query)
        assert (len(chart.labels), chart.series[0].total) == (days, total), query


def test_a_day_leads_to_its_rows(admin: Person, bob: Person) -> None:
    browser = browser_of(admin)
    for age in (1, 2):
        fail_to_log_in(bob.user.email, days_ago(age))
    some_attempts(bob.user, 60)
    count_days(6, 1)
    charts = browser.get("/admin/?days=7").context["charts"]
    for title, days in {
        "Failed logins and locks": [1, 2],
        "Attempts and solve rate": [0, 1],  # from its first moment to its last
        "Registrations": [0],
    }.items():
        chart = next(chart for chart in charts if chart.title == title)
        for number, link in [(chart.series[0].numbers[-1 - age], chart.links[-1 - age]) for age in days]:
            assert number and len(browser.get(link).context["cl"].result_list) == number, link


def test_a_day_whose_rows_may_be_purged_leads_nowhere(admin: Person) -> None:
    browser = browser_of(admin)
    mail = Mail.objects.create(kind=Mail.Kind.VERIFICATION, to="a@b.example", created_at=timezone.now() - timedelta(6))
    for title, oldest in {"Mails": 6, "Logins": 6, "Registrations": 89}.items():
        links = chart_of(browser, title, "days=90").links
        assert [bool(link) for link in links] == [False] * (89 - oldest) + [True] * (oldest + 1), title
    assert mail in browser.get(chart_of(browser, "Mails", "").links[-7]).context["cl"].result_list


def test_unknown_days_and_days_with_nothing_look_different(admin: Person) -> None:
    browser = browser_of(admin)
    chart = chart_of(browser, "Registrations", "days=7")
    assert (chart.series[0].numbers[0], chart.series[0].numbers[-1]) == (None, 1)
    bars, band = json.loads(chart.data)["datasets"]
    assert (band["label"], band["data"][0], band["data"][-1]) == ("Not counted", 1, None)
    assert bars["minBarLength"]  # of 0
    *whole, partial = bars["backgroundColor"]
    assert partial not in whole and bars["borderWidth"] == {"top": 1}  # or thin bars would be all border
    count_days(6, 1)
    assert len(json.loads(chart_of(browser, "Registrations", "days=7").data)["datasets"]) == 1


def test_a_day_is_unknown_where_any_of_its_bars_is(admin: Person, bob: Person) -> None:
    browser, title = browser_of(admin), "Failed logins and locks"
    count_days(6, 1)
    DailyFigure.objects.filter(name="locks", day=days_ago(2)).delete()
    chart = chart_of(browser, title, "days=7")
    assert [series.numbers[-3] for series in chart.series] == [0, None]
    *_, band = json.loads(chart.data)["datasets"]
    assert (band["label"], band["data"]) == ("Not counted", [None, None, None, None, 1, None, None])
    rates = chart_of(browser, "Attempts and solve rate", "days=7")
    assert rates.series[1].numbers == [None] * 7 and not any(rates.is_unknown)


@pytest.mark.parametrize(
    ("numbers", "limit"),
    [
        ([0, 0, 3, 5000, 0, 0, 0], 20),
        ([0, 0, 0, 0, 6, 5000, 5], 24),
        ([1, 1, 1, 1, 1, 1, 40], None),
        ([1, 1, 1, 1, 1, 1, 41], 20),
        ([0, 0, 0, 5000, 0, 0, 0], None),
        ([100, 90, 5000, 110, None, 80, 95], 400),
    ],
)
def test_few_numbers_have_outliers_too_and_small_ones_have_none(numbers: list[int | None], limit: int | None) -> None:
    assert Chart("Attacks", "", [str(day) for day in range(7)], [Series("Attacks", numbers)]).limit == limit


def test_a_total_says_how_many_days_it_is_of() -> None:
    series = Series("Logins", [1, None, 2])
    assert f"{series.total}{series.covers}" == "3 on 2 counted days" and not Series("Logins", [1, 2]).covers
    assert Series("Logins", [None, 1]).covers == " on 1 counted day"


def test_one_outlier_is_cut_off_and_told(admin: Person, bob: Person) -> None:
    for age in range(1, 7):
        fail_to_log_in(bob.user.email, days_ago(age), count=400 if age == 3 else 2)
    count_days(6, 1)
    browser = browser_of(admin)
    assert json.loads(chart_of(browser, "Failed logins and locks", "days=7").options)["scales"]["y"]["max"] == 20
    assert f"up to 400 ({days_ago(3):%-d %b})" in browser.get("/admin/?days=7").content.decode()
    DailyFigure.objects.filter(name="failed_logins", value=400).update(value=40)
    assert chart_of(browser, "Failed logins and locks", "days=7").limit is None


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("days", [7, 30, 90])
def test_the_axis_names_today_and_some_days_before(
    admins_desktop: Page, service: Service, width: int, days: int
) -> None:
    admins_desktop.set_viewport_size({"width": width, "height": 900})
    admins_desktop.goto(f"{service.base_url}/admin/?days={days}")
    canvas = admins_desktop.get_by_role("region", name="Registrations", exact=True).locator("canvas")
    *before, last = canvas.evaluate("canvas => Chart.getChart(canvas).scales.x.ticks.map(tick => tick.label)")
    assert last == "today" and 3 <= len(before) <= 7


# --- Failed logins ----------------------------------------------------------------------------------------------------


def test_the_most_frequent_of_a_day_lead_to_their_rows(admin: Person, alice: Person, bob: Person) -> None:
    browser, yesterday = browser_of(admin), days_ago(1)
    fail_to_log_in(bob.user.email, yesterday, count=3)
    fail_to_log_in(alice.user.email, yesterday, ip_address=None, user_agent="", locked_out=True)
    fail_to_log_in(alice.user.email, days_ago(2))
    path = changelist_url("axes_accessfailurelog", attempt_time_from=yesterday, attempt_time_to=yesterday)
    shown = browser.get(path).context["failed_logins"]
    assert (shown.rows, shown.locks) == (4, 1)
    assert [[(row.name, row.count) for row in rows] for _, rows in shown.tops] == [
        [("bob@example.com", 3), ("alice@example.com", 1)],
        [("192.0.2.7", 3)],
        [("python-requests/2.32", 3), ("an unknown device", 1)],
    ]
    for _, rows in shown.tops:
        for row in rows:
            found = browser.get(path.partition("?")[0] + row.link).context
            assert len(found["cl"].result_list) == found["failed_logins"].rows == row.count, row.link


def test_what_counts_the_newest_alone_says_so(admin: Person, bob: Person) -> None:
    browser, yesterday = browser_of(admin), days_ago(1)
    path = changelist_url("axes_accessfailurelog", attempt_time_from=yesterday, attempt_time_to=yesterday)
    fail_to_log_in(bob.user.email, yesterday, count=10_000)
    assert "Of 10,000 failed logins here, 0 locked the account." in browser.get(path).content.decode()
    fail_to_log_in(bob.user.email, yesterday)
    told = "Only the newest 10,000 failed logins are counted here, in the tables too. Of these, 0 locked the account."
    assert told in browser.get(path).content.decode()


def test_a_failed_login_leads_to_its_user(admin: Person, bob: Person) -> None:
    fail_to_log_in(bob.user.email, days_ago(1))
    fail_to_log_in("gone@example.com", days_ago(1))
    browser, link = browser_of(admin), f'href="{user_url(bob.user.pk)}">bob@example.com</a>'
    path = changelist_url("axes_accessfailurelog")
    text = browser.get(path).content.decode()
    assert link in text and "gone@example.com" in text
    assert (
        link
        in browser.get(f"{path}{AccessFailureLog.objects.get(username=bob.user.email).pk}/change/").content.decode()
    )


def test_not_all_are_verified_while_one_is_not(unverified: Person) -> None:
    User.objects.bulk_create(User(email=f"user{number}@example.com", is_verified=True) for number in range(299))
    (verified,) = [total for total in totals() if total.title == "Verified"]
    assert verified.note == "99%"
