"""Pages by cursor and by offset, and how many attempts there are on all of them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attempts.cursors import HistoryCursor
from attempts.flows.history import list_attempts
from attempts.models import Attempt, Position
from attempts.tests.factories import attempt, store_attempts
from conftest import Person, Together, person

ME = "/api/v1/attempts/me"
START = datetime(2026, 11, 1, tzinfo=UTC)
people = iter(range(10**9))


@pytest.fixture
def history(alice: Person) -> list[str]:
    """Ids of ten attempts, newest first; every other one solves."""
    made = [
        attempt(
            alice,
            created_at=START + timedelta(minutes=10 * number),
            question_id=number % 5 + 1,
            language=["c", "go"][number % 2],
            passed_tests=number % 2,
        )
        for number in range(10)
    ]
    return [str(each["id"]) for each in made][::-1]


def next_of(answer: Any) -> str | None:
    link = answer.headers.get("Link", "")
    found = re.fullmatch(r'<(/api/v1/attempts/me[^>]*)>; rel="next"', link)
    assert bool(found) == bool(link)
    return found[1] if found else None


def follow(person: Person, path: str) -> list[Any]:
    answers = [person.api.get(path)]
    while link := next_of(answers[-1]):
        answers.append(person.api.get(link))
    assert {answer.status_code for answer in answers} == {200}
    return answers


def ids(answers: list[Any]) -> list[str]:
    return [row["id"] for answer in answers for row in answer.json()]


@pytest.mark.parametrize("limit", [1, 3, 5, 10, 11])
def test_following_next_gives_all_in_order(alice: Person, history: list[str], limit: int) -> None:
    answers = follow(alice, f"{ME}?limit={limit}")
    assert ids(answers) == history
    assert len(answers) == max(1, -(-10 // limit))


@pytest.mark.parametrize(
    "query",
    ["solved=true", "language=go", "until=2026-11-01T01:30:00+00:00&solved=false", "since=2026-11-01T00:30:00Z"],
)
def test_next_keeps_the_filters(alice: Person, history: list[str], query: str) -> None:
    assert ids(follow(alice, f"{ME}?limit=2&{query}")) == ids(follow(alice, f"{ME}?{query}"))
    assert len(follow(alice, f"{ME}?limit=2&{query}")) > 1


def test_following_next_neither_repeats_nor_skips_while_others_arrive(alice: Person, history: list[str]) -> None:
    seen, link = [], f"{ME}?limit=3"
    while link:
        answer = alice.api.get(link)
        seen += ids([answer])
        attempt(alice)
        link = next_of(answer) or ""
    assert seen == history


def test_following_next_neither_repeats_nor_skips_while_others_arrive_in_parallel(
    together: Together, alice: Person
) -> None:
    store_attempts(alice, [timezone.now() - timedelta(seconds=number) for number in range(40)])
    before = list(map(str, Attempt.objects.history_of(alice.user).values_list("pk", flat=True)))

    def act(turn: int) -> list[str]:
        if turn == 0:
            return ids(follow(alice, f"{ME}?limit=2"))
        return [str(attempt(alice, question_id=number % 3 + 1)["id"]) for number in range(10)]

    seen, *_ = together(act, 4)
    assert len(seen) == len(set(seen))
    assert [each for each in seen if each in set(before)] == before


def test_attempts_of_one_moment_are_neither_repeated_nor_skipped(alice: Person, history: list[str]) -> None:
    Attempt.objects.update(created_at=START)
    assert ids(follow(alice, f"{ME}?limit=3")) == sorted(history, reverse=True)


def test_the_link_does_not_come_from_the_host_header(alice: Person, history: list[str]) -> None:
    answer = alice.api.get(f"{ME}/?limit=3&offset=2&nope=1", Host="evil.example.com")
    assert next_of(answer) == f"{ME}?limit=3&cursor={cursor_after(history[4])}"


def cursor_after(attempt_id: str) -> str:
    found = Attempt.objects.get(pk=attempt_id)
    return HistoryCursor.of(Position(found.created_at, found.pk))


def test_a_page_by_offset_leads_to_one_by_cursor(alice: Person, history: list[str]) -> None:
    assert ids(follow(alice, f"{ME}?limit=3&offset=2")) == history[2:]


def test_a_cursor_counts_more_than_an_offset(alice: Person, history: list[str]) -> None:
    assert ids([alice.api.get(f"{ME}?offset=7&cursor={cursor_after(history[4])}")]) == history[5:]


def test_another_user_s_cursor_shows_none_of_their_attempts(bob: Person, history: list[str]) -> None:
    assert bob.api.get(f"{ME}?cursor={cursor_after(history[0])}").json() == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 10),
        ("limit=3", 10),
        ("limit=3&offset=8", 10),
        ("question_id=2", 2),
        ("question_id=9", 0),
        ("language=go", 5),
        ("language=rust", 0),
        ("solved=true", 5),
        ("solved=false&limit=1", 5),
        ("solved=true&question_id=2", 1),
        ("since=2026-11-01T00:30:00Z&limit=1", 7),
    ],
)
def test_every_page_says_how_many_there_are(alice: Person, history: list[str], query: str, count: int) -> None:
    assert {answer.headers["X-Total-Count"] for answer in follow(alice, f"{ME}?{query}")} == {str(count)}


@pytest.mark.parametrize("query", ["", "limit=3", "limit=3&offset=2"])
def test_a_page_without_filters_does_not_count_the_attempts(alice: Person, history: list[str], query: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        alice.api.get(f"{ME}?{query}")
    assert not [each for each in queries.captured_queries if "count(" in each["sql"].lower()]


@pytest.mark.parametrize("offset", [0, 1, 9, 10, 11, 2**31 - 1])
def test_a_deep_offset_gives_the_same_page(alice: Person, history: list[str], offset: int) -> None:
    answer = alice.api.get(f"{ME}?limit=4&offset={offset}")
    assert ids([answer]) == history[offset : offset + 4]
    assert answer.headers["X-Total-Count"] == "10"


@pytest.mark.slow
@pytest.mark.usefixtures("db")
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.sampled_from(["c", "go"]), st.booleans(), st.integers(0, 40)), max_size=12
    ),
    st.lists(
        st.fixed_dictionaries(
            {"offset": st.integers(0, 12)},
            optional={
                "question_id": st.integers(1, 3),
                "language": st.sampled_from(["c", "go", "ada"]),
                "solved": st.booleans(),
                "since": st.integers(0, 300),
                "until": st.integers(0, 300),
            },
        ),
        max_size=6,
    ),
)
def test_every_filter_gives_what_a_plain_look_through_all_gives(sent: list[Any], queries: list[dict[str, Any]]) -> None:
    someone, second, made = person(f"someone{next(people)}@example.com"), 0, []
    for question_id, language, solved, pause in sent:
        second += pause
        facts = {"question_id": question_id, "language": language, "passed_tests": int(solved)}
        made.append(attempt(someone, created_at=START + timedelta(seconds=second), **facts))
    for query in queries:
        asked: dict[str, Any] = {
            name: START + timedelta(seconds=query[name]) for name in ("since", "until") if name in query
        }
        expected = [each for each in made[::-1] if passes(each, {**query, **asked})]
        page = list_attempts(user=someone.user, limit=3, **{**query, **asked})
        assert page.total == len(expected)
        assert page.rows == expected[query["offset"] :][:3]


def passes(each: dict[str, Any], query: dict[str, Any]) -> bool:
    same = [each[name] == query[name] for name in ("question_id", "language") if name in query]
    return (
        all(same)
        and each["is_solved"] == query.get("solved", each["is_solved"])
        and query.get("since", START) <= each["created_at"]
        and each["created_at"] < query.get("until", datetime.max.replace(tzinfo=UTC))
    )
