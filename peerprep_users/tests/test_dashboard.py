"""The overview of the admin site: each day counted once, today as it is now, whatever becomes of the rows."""

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from html import unescape
from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Mail, Session, User
from attempts.demo.rows import uuid7_at
from attempts.models import Attempt
from conftest import Api, Person, Together, browser_of, person
from core.jobs import Turn
from peerprep_users.admin_site import daily_stats
from peerprep_users.models import DailyFigure

LABELS = {"attempts": "solved", "question_attempts": "question_solved"}


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
    found = daily_stats.load_stats(by_day=["mails"], by_label=LABELS)
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
    later = daily_stats.load_stats(by_day=[], by_label=LABELS)
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
    browser.get("/admin/")
    with CaptureQueriesContext(connection) as before:
        assert browser.get("/admin/").content.decode().count("Nothing in these 90 days.") == 3
    for number in range(size // 30):
        person(f"user{number}@example.com")
    some_attempts(admin.user, size or 3)
    daily_stats.count_due_days()
    with CaptureQueriesContext(connection) as after:
        page = browser.get("/admin/").content.decode()
    assert len(after) == len(before)
    assert ("No question has enough attempts yet." in page) is not bool(size)
    main = page[page.index("As of ") :]
    links = {unescape(link) for link in re.findall(r'href="(/admin/[^"]+)"', main)}
    assert len(links) >= 9
    for link in links:
        assert browser.get(link).status_code == 200, link


def test_locked_now_counts_the_users_that_its_list_shows(admin: Person, bob: Person) -> None:
    browser = browser_of(admin)
    for address in (bob.user.email, "nobody@example.com"):
        for _ in range(3):
            Api().post("/auth/login", {"email": address, "password": "wrong password"})
    total = next(total for total in browser.get("/admin/").context["totals"] if total.title == "Locked now")
    assert [user.name for user in browser.get(total.link).context["cl"].result_list] == ["Bob"]
    assert total.count.value == 1
