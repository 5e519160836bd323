"""What a user's attempts come to: questions, statistics, and days as the caller's time zone counts them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection

from attempts.flows.progress import show_activity
from attempts.queries import ATTEMPT_COUNT, STATISTICS, SUMMARY
from attempts.tests.factories import attempt, attempts_at, got, plain_activity, store_attempts
from conftest import Person
from core.queries import ON_POSTGRESQL, FixedQuery

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def activity(person: Person, now: datetime, tz: str = "UTC", days: int = 30) -> dict[str, Any]:
    with time_machine.travel(now, tick=False):
        return show_activity(user=person.user, tz=ZoneInfo(tz), days=days)


def active(found: dict[str, Any]) -> dict[str, int]:
    return {day["date"].isoformat(): day["attempts"] for day in found["days"] if day["attempts"]}


# --- Questions ------------------------------------------------------------------------------------------------------


def test_a_question_shows_what_was_reached(alice: Person) -> None:
    attempt(alice, created_at=at("2026-11-01T10:00Z"), passed_tests=2, total_tests=5, runtime_ms=1)
    attempt(alice, created_at=at("2026-11-01T11:00Z"), passed_tests=5, total_tests=5, runtime_ms=40)
    attempt(alice, created_at=at("2026-11-01T12:00Z"), passed_tests=5, total_tests=5, runtime_ms=30)
    assert got(alice, "/questions") == [
        {
            "question_id": 1,
            "attempts": 3,
            "best_passed_tests": 5,
            "total_tests": 5,
            "best_runtime_ms": 30,
            "first_attempt_at": "2026-11-01T10:00:00Z",
            "last_attempt_at": "2026-11-01T12:00:00Z",
            "solved_at": "2026-11-01T11:00:00Z",
        }
    ]


def test_an_unsolved_question_has_neither_runtime_nor_time_of_solving(alice: Person) -> None:
    attempt(alice, runtime_ms=1)
    row = got(alice, "/questions")[0]
    assert (row["best_runtime_ms"], row["solved_at"]) == (None, None)


def test_questions_come_in_pages_in_the_order_of_their_numbers(alice: Person, bob: Person) -> None:
    attempt(bob, question_id=4)
    for question_id in (9, 2**31 - 1, 1, 5, 3):
        attempt(alice, question_id=question_id)
    seen, link = [], "/api/v1/attempts/me/questions?limit=2"
    while link:
        answer = alice.api.get(link)
        assert answer.headers["X-Total-Count"] == "5"
        seen += [row["question_id"] for row in answer.json()]
        attempt(alice, question_id=seen[-1])
        link = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == [1, 3, 5, 9, 2**31 - 1]


# --- Statistics -----------------------------------------------------------------------------------------------------


def test_statistics_of_a_newcomer_divide_by_nothing(alice: Person) -> None:
    nothing: dict[str, Any] = {"acceptance_rate": None, "by_language": [], "average_attempts_to_solve": None}
    assert got(alice, "/statistics") == nothing


def test_statistics(alice: Person, bob: Person) -> None:
    attempt(bob, language="c")
    for question_id, language, passed in [(1, "go", 0), (1, "go", 1), (1, "c", 1), (2, "go", 1), (3, "ada", 0)]:
        attempt(alice, question_id=question_id, language=language, passed_tests=passed)
    assert got(alice, "/statistics") == {
        "acceptance_rate": 0.6,
        "by_language": [
            {"language": "go", "attempts": 3, "solved": 2},
            {"language": "ada", "attempts": 1, "solved": 0},
            {"language": "c", "attempts": 1, "solved": 1},
        ],
        "average_attempts_to_solve": 1.5,
    }


# --- Activity -------------------------------------------------------------------------------------------------------


def test_every_day_is_listed_the_oldest_first(alice: Person) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False):  # not at midnight
        attempt(alice, passed_tests=1)
        found = got(alice, "/activity?days=3&tz=UTC")
    assert [set(day) for day in found["days"]] == [{"date", "attempts", "solved"}] * 3
    assert sorted(day["date"] for day in found["days"]) == [day["date"] for day in found["days"]]
    assert {name: value for name, value in found.items() if name != "days"} == {
        "current_streak": 1,
        "longest_streak": 1,
        "active_days": 1,
    }
    assert found["days"][-1]["attempts"] == found["days"][-1]["solved"] == 1


def test_a_year_of_utc_is_the_default(alice: Person) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False):
        assert got(alice, "/activity") == got(alice, "/activity?tz=UTC&days=365")
        assert len(got(alice, "/activity")["days"]) == 365


@pytest.mark.parametrize(
    ("tz", "expected"),
    [
        ("UTC", {"2026-11-22": 1, "2026-11-23": 2}),
        ("Asia/Singapore", {"2026-11-23": 1, "2026-11-24": 2}),  # +08:00
        ("Asia/Kolkata", {"2026-11-23": 3}),  # +05:30
        ("Asia/Kathmandu", {"2026-11-23": 2, "2026-11-24": 1}),  # +05:45
        ("Pacific/Kiritimati", {"2026-11-23": 1, "2026-11-24": 2}),  # +14:00
        ("Pacific/Pago_Pago", {"2026-11-22": 1, "2026-11-23": 2}),  # -11:00
    ],
)
def test_a_day_is_one_of_the_caller_s_zone(alice: Person, tz: str, expected: dict[str, int]) -> None:
    attempts_at(alice, [at("2026-11-22T20:00Z"), at("2026-11-23T17:59:59Z"), at("2026-11-23T18:15:00Z")])
    assert active(activity(alice, NOW, tz)) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tz", "first"),
    [
        ("Europe/Berlin", date(2026, 3, 20)),  # a day of 23 hours
        ("Europe/Berlin", date(2026, 10, 15)),  # and one of 25
        ("America/New_York", date(2026, 10, 25)),
        ("Australia/Lord_Howe", date(2026, 3, 28)),  # half an hour
        ("America/Santiago", date(2026, 8, 28)),  # no midnight
        ("America/Santiago", date(2026, 3, 28)),  # a last hour twice
        ("America/Havana", date(2026, 10, 25)),  # two midnights
        ("Africa/Cairo", date(2026, 4, 18)),
        ("Africa/Cairo", date(2026, 10, 24)),
        ("Asia/Tehran", date(2026, 3, 15)),
        ("America/St_Johns", date(2026, 2, 25)),
        ("Pacific/Apia", date(2011, 12, 20)),  # a day that the zone left out
        ("UTC", date(2028, 2, 20)),  # a leap day
    ],
)
def test_no_change_of_the_clock_and_no_leap_day_moves_an_attempt(alice: Person, tz: str, first: date) -> None:
    begin = datetime.combine(first, datetime.min.time(), UTC)
    now = begin + timedelta(days=18)
    times = [begin + timedelta(minutes=15 * number) for number in range(18 * 96)]
    store_attempts(alice, times)
    made = [{"created_at": time.isoformat(), "passed_tests": 0, "total_tests": 1} for time in times]
    assert activity(alice, now, tz, 15) == plain_activity(made, now, ZoneInfo(tz), 15)


def test_a_leap_year_may_be_asked_for_whole(alice: Person) -> None:
    found = activity(alice, datetime(2028, 12, 31, 12, tzinfo=UTC), "UTC", 366)
    assert [found["days"][0]["date"], found["days"][59]["date"]] == [date(2028, 1, 1), date(2028, 2, 29)]


@pytest.mark.parametrize(
    ("days", "current", "longest"),
    [
        ([], 0, 0),
        ([24], 1, 1),
        ([23], 1, 1),  # today is not over
        ([22], 0, 1),
        ([22, 23, 24], 3, 3),
        ([22, 23], 2, 2),
        ([10, 11, 12, 13, 23, 24], 2, 4),
        ([10, 11, 22, 24], 1, 2),
    ],
)
def test_streaks(alice: Person, days: list[int], current: int, longest: int) -> None:
    attempts_at(alice, [NOW.replace(day=day) for day in days])
    found = activity(alice, NOW)
    assert (found["current_streak"], found["longest_streak"], found["active_days"]) == (current, longest, len(days))


@pytest.mark.parametrize(("days", "reads"), [(1, 5), (7, 2), (10, 1), (30, 1)])
def test_a_streak_is_no_shorter_for_what_is_asked(
    alice: Person, days: int, reads: int, django_assert_num_queries: Any
) -> None:
    attempts_at(alice, [NOW.replace(day=day) for day in range(16, 24)])
    with django_assert_num_queries(reads):
        found = activity(alice, NOW, days=days)
    assert (found["current_streak"], found["longest_streak"], len(found["days"])) == (8, 8, days)


def test_an_activity_of_one_day_has_a_streak_too(alice: Person) -> None:
    assert activity(alice, NOW, days=1)["current_streak"] == 0
    attempts_at(alice, [NOW])
    assert activity(alice, NOW, days=1)["current_streak"] == 1


def test_a_streak_of_years_is_shown_at_its_full_length(alice: Person) -> None:
    store_attempts(alice, [NOW - timedelta(days=number) for number in range(1_000)])
    found = activity(alice, NOW, "Asia/Singapore", days=30)
    assert (found["current_streak"], found["longest_streak"], found["active_days"]) == (1_000, 1_000, 30)


@pytest.mark.parametrize(
    ("path", "queries"), [("/summary", 2), ("/questions", 3), ("/activity", 2), ("/statistics", 3), ("?solved=true", 3)]
)
def test_a_call_takes_as_many_queries_whatever_the_history(
    alice: Person, django_assert_num_queries: Any, path: str, queries: int
) -> None:
    attempts_at(alice, [NOW + timedelta(minutes=number) for number in range(5)])
    with django_assert_num_queries(queries):
        got(alice, path)


@pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has no index with further columns")
@pytest.mark.parametrize("query", [SUMMARY, ATTEMPT_COUNT, STATISTICS])
def test_the_sums_over_the_questions_take_an_index_alone(alice: Person, query: FixedQuery) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {query.text}", [alice.user.pk])
        assert "Index Only Scan" in str(cursor.fetchall())
