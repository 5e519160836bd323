"""Reading one's attempts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from attempts.models import Attempt
from attempts.tests.factories import attempt, store_attempts
from conftest import Person

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def history(alice: Person) -> list[Attempt]:
    """Ten attempts, an hour apart, at five questions in two languages; the even ones solve."""
    for number in range(10):
        attempt(
            alice,
            question_id=number % 5 + 1,
            language=["python", "java"][number % 2],
            submitted_code=f"# {number}",
            passed_tests=1 - number % 2,
            created_at=START + timedelta(hours=number),
        )
    return list(Attempt.objects.order_by("created_at"))


def listed(alice: Person, query: str = "") -> list[str]:
    answer = alice.api.get(f"/api/v1/attempts/me?{query}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()]


def ids(attempts: list[Attempt]) -> list[str]:
    return [str(each.pk) for each in attempts]


def test_it_lists_the_newest_first(alice: Person, history: list[Attempt]) -> None:
    assert listed(alice) == ids(history[::-1])


def test_it_pages(alice: Person, history: list[Attempt]) -> None:
    pages = [listed(alice, f"limit=4&offset={offset}") for offset in (0, 4, 8, 12)]
    assert [len(page) for page in pages] == [4, 4, 2, 0]
    assert [one for page in pages for one in page] == ids(history[::-1])


def test_a_page_is_of_fifty(alice: Person) -> None:
    store_attempts(alice, [START] * 60)
    assert len(listed(alice)) == 50
    assert len(listed(alice, "limit=200")) == 60


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("question_id=2", [1, 6]),
        ("language=java", [1, 3, 5, 7, 9]),
        ("language=Java", []),
        ("solved=true", [0, 2, 4, 6, 8]),
        ("solved=false", [1, 3, 5, 7, 9]),
        (f"since={quote('2026-11-01T08:00:00Z')}", [8, 9]),
        (f"until={quote('2026-11-01T02:00:00Z')}", [0, 1]),
        (f"until={quote('2026-11-01T10:00:00+08:00')}", [0, 1]),
        ("until=2026-11-01T10:00:00+08:00", [0, 1]),  # the plus sign of a careless client is a space by then
        ("since=2026-11-01T02:00:00&until=2026-11-01T06:00:00&solved=true", [2, 4]),
    ],
)
def test_it_filters(alice: Person, history: list[Attempt], query: str, expected: list[int]) -> None:
    assert listed(alice, query) == ids([history[number] for number in expected])[::-1]


def test_it_costs_two_queries_and_reads_no_code(
    alice: Person, history: list[Attempt], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2) as queries:
        listed(alice)
    assert "submitted_code" not in queries[-1]["sql"]


def test_it_shows_one_with_its_code(alice: Person, history: list[Attempt]) -> None:
    body: dict[str, Any] = alice.api.get(f"/api/v1/attempts/{history[3].pk}").json()
    assert body == {
        "id": str(history[3].pk),
        "question_id": 4,
        "language": "java",
        "submitted_code": "# 3",
        "passed_tests": 0,
        "total_tests": 1,
        "created_at": "2026-11-01T03:00:00Z",
    }


def test_no_other_user_sees_it(bob: Person, history: list[Attempt]) -> None:
    for attempt_id in (history[3].pk, uuid4()):
        answer = bob.api.get(f"/api/v1/attempts/{attempt_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not listed(bob)


def test_the_summary_counts_attempts_and_distinct_questions_solved(alice: Person, history: list[Attempt]) -> None:
    assert alice.api.get("/api/v1/attempts/me/summary").json() == {
        "total_attempts": 10,
        "solved": 5,
        "last_attempt_at": "2026-11-01T09:00:00Z",
    }


def test_the_summary_of_a_newcomer_is_empty(alice: Person) -> None:
    empty = {"total_attempts": 0, "solved": 0, "last_attempt_at": None}
    assert alice.api.get("/api/v1/attempts/me/summary").json() == empty
