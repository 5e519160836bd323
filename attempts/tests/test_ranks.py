"""Ranks at the edges: what they say where times are equal, go backwards, or are exactly those that a filter names."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.flows.profile import delete_account
from attempts import ranks, recounting
from attempts.cursors import HistoryCursor
from attempts.flows import counters, recording
from attempts.flows.history import DEEP, list_attempts
from attempts.models import Attempt, PairCount, Place, QuestionStatus, Totals
from attempts.tests.factories import FACTS, attempt, attempts_at
from conftest import Person
from core.client import Client

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def long(alice: Person, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """1,010 attempts, newest first, of which each three have one time; ranked in parts that end between such three."""
    made = [
        Attempt(
            user=alice.user,
            **{**FACTS, "question_id": number % 2 + 1, "passed_tests": number // 2 % 2},
            created_at=START + timedelta(seconds=number // 3),
        )
        for number in range(1_010)
    ]
    Attempt.objects.bulk_create(made)
    monkeypatch.setattr(counters, "PART", 100)
    counters.recount(alice.user.pk)
    assert not counters.compare([alice.user.pk])
    found = Attempt.objects.history_of(alice.user).values(*recording.LISTED)
    return [recording.listed(row) for row in found]


FILTERS: list[dict[str, Any]] = [
    {},
    {"solved": False},
    {"question_id": 2, "language": "python"},
    {"since": START + timedelta(seconds=1)},
    {"until": START + timedelta(seconds=336)},
    {"question_id": 1, "solved": True, "since": START + timedelta(seconds=1), "until": START + timedelta(seconds=336)},
]


@pytest.mark.parametrize("filters", FILTERS, ids=lambda each: "-".join(each) or "none")
def test_a_page_about_the_first_deep_one_is_the_same(
    alice: Person, long: list[dict[str, Any]], filters: dict[str, Any]
) -> None:
    wanted = [row for row in long if passes(row, **filters)]
    for offset in (0, len(wanted) - 1, len(wanted), DEEP - 1, DEEP, DEEP + 1, 2_147_483_647):
        page = list_attempts(user=alice.user, limit=200, offset=offset, **filters)
        assert (page.rows, page.total) == (wanted[offset : offset + 200], len(wanted)), offset


def passes(row: dict[str, Any], *, since: Any = START, until: Any = None, solved: Any = None, **same: Any) -> bool:
    within = since <= row["created_at"] and (until is None or row["created_at"] < until)
    return (
        within and row["is_solved"] in ([True, False] if solved is None else [solved]) and same.items() <= row.items()
    )


def test_a_cursor_counts_with_filters_and_an_offset_does_not_with_it(alice: Person, long: list[dict[str, Any]]) -> None:
    place = HistoryCursor.of(Place(long[500]["created_at"], long[500]["id"]))
    answer = alice.api.get(f"/api/v1/attempts/me?limit=200&solved=true&question_id=1&offset=1001&cursor={place}")
    wanted = [str(row["id"]) for row in long if passes(row, solved=True, question_id=1)]
    after = [str(row["id"]) for row in long[501:]]
    assert [row["id"] for row in answer.json()] == [each for each in wanted if each in after]
    assert answer.headers["X-Total-Count"] == str(len(wanted))


def test_an_account_that_goes_while_a_page_is_looked_for_has_none(
    alice: Person, long: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(*args: Any, **filters: Any) -> int:
        Attempt.objects.filter(user=alice.user).delete()
        return 1_010

    monkeypatch.setattr(ranks, "count", count)
    assert list_attempts(user=alice.user, limit=3, offset=DEEP).rows == []


def test_an_attempt_by_a_clock_that_went_back_is_the_last_all_the_same(alice: Person) -> None:
    made = attempts_at(alice, [START, START - timedelta(days=1), START, START - timedelta(seconds=1)])
    assert [each["created_at"] - START for each in made] == [timedelta(microseconds=number) for number in range(4)]
    assert list_attempts(user=alice.user, limit=9, offset=0).rows == made[::-1]
    assert not counters.compare([alice.user.pk])


def test_a_replay_has_no_rank(alice: Person) -> None:
    body = {**FACTS, "passed_tests": 1}
    answers = [alice.api.post("/api/v1/attempts", body, **{"Idempotency-Key": "k"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    attempt(alice, passed_tests=1)
    assert list(Attempt.objects.order_by("rank").values_list("rank", "pair_rank")) == [(1, 1), (2, 2)]


# --- A recount that something happens to ----------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["rank_anew", "count_beside"])
def test_a_recount_of_an_account_that_goes_meanwhile_leaves_nothing(
    alice: Person, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    attempts_at(alice, [START, START])
    module = ranks if step == "rank_anew" else recounting
    usual = getattr(module, step)

    def gone(*args: Any, **named: Any) -> None:
        usual(*args, **named)
        delete_account(user=alice.user, client=Client(ip=None, user_agent="test"))

    monkeypatch.setattr(module, step, gone)
    monkeypatch.setattr(counters, "PART", 1)
    counters.recount(alice.user.pk)
    assert not [model for model in (Attempt, Totals, QuestionStatus, PairCount) if model._base_manager.exists()]


def test_a_recount_that_is_interrupted_is_begun_again(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts_at(alice, [START] * 5)
    Attempt.objects.update(rank=7)
    Totals.objects.update(attempts=99)
    with monkeypatch.context() as patch:
        patch.setattr(counters, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            counters.recount(alice.user.pk)
    attempt(alice)
    assert counters.compare([alice.user.pk])
    assert sum(wrong for _, wrong in counters.rebuild()) == 1
    assert not counters.compare([alice.user.pk])


def test_a_recount_of_lost_totals_misses_nothing_whose_clock_went_back(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts_at(alice, [START] * 3)
    Totals.objects.all().delete()
    usual = recounting.count_beside

    def count_beside(*args: Any) -> None:
        usual(*args)
        attempt(alice, created_at=START - timedelta(days=1))

    monkeypatch.setattr(recounting, "count_beside", count_beside)
    counters.recount(alice.user.pk)
    assert Totals.objects.get().attempts == Attempt.objects.count() == 4
    assert not counters.compare([alice.user.pk])


def interrupt(*args: Any) -> None:
    raise KeyboardInterrupt
