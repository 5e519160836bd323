"""Every answer equals a plain recount, also of attempts that came at the same moment."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attempts.flows import progress, stats
from attempts.models import Attempt, QuestionStatus
from attempts.tests.factories import attempt, attempts_at, got, plain_activity, recount
from conftest import Person, Together, person
from core.tests.commands import reported

START = datetime(2026, 11, 1, tzinfo=UTC)

SENT = st.builds(
    lambda question_id, language, total_tests, missing, runtime_ms, pause: {
        "question_id": question_id,
        "language": language,
        "total_tests": total_tests,
        "passed_tests": max(0, total_tests - missing),
        "runtime_ms": runtime_ms,
        "pause": pause,
    },
    st.integers(1, 3),
    st.sampled_from(["c", "go", "rust"]),
    st.integers(0, 3),
    st.sampled_from([0, 0, 1, 2]),
    st.none() | st.integers(0, 5),
    st.integers(0, 40_000).map(lambda seconds: timedelta(seconds=seconds)),
)
people = iter(range(10**9))


@pytest.mark.slow
@pytest.mark.usefixtures("db")
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(SENT, max_size=12))
def test_every_answer_equals_a_plain_recount(sequence: list[dict[str, Any]]) -> None:
    someone, now, made = person(f"someone{next(people)}@example.com"), START, []
    for sent in sequence:
        facts = {name: value for name, value in sent.items() if name != "pause"}
        now += sent["pause"]
        answer = attempt(someone, created_at=now, **facts)
        now = answer["created_at"]
        made.append({**facts, "created_at": now.isoformat().replace("+00:00", "Z")})
    expected = recount(made)
    for path in ("summary", "questions", "statistics"):
        assert got(someone, f"/{path}") == expected[path]
    with time_machine.travel(now, tick=False):
        activity = progress.show_activity(user=someone.user, tz=ZoneInfo("Asia/Kathmandu"), days=30)
    assert activity == plain_activity(made, now, ZoneInfo("Asia/Kathmandu"), 30)
    assert not stats.verify()


def test_parallel_attempts_at_a_question_are_in_order_and_counted(together: Together, db: None) -> None:
    for number in range(20):
        someone = person(f"user{number}@example.com")
        made = together(lambda turn, one=someone: attempt(one, question_id=turn % 3 + 1, passed_tests=turn % 2), 8)
        for question_id in (1, 2, 3):
            times = sorted(each["created_at"] for each in made if each["question_id"] == question_id)
            status = QuestionStatus.objects.get(user=someone.user, question_id=question_id)
            assert (len(set(times)), times[-1]) == (status.attempts, status.last_attempt_at)
        assert not stats.verify()


def test_an_attempt_by_a_clock_that_went_back_is_the_last_at_its_question(alice: Person) -> None:
    made = attempts_at(alice, [START, START - timedelta(days=1), START, START - timedelta(seconds=1)])
    assert [each["created_at"] - START for each in made] == [timedelta(microseconds=number) for number in range(4)]
    assert [row["id"] for row in got(alice, "")] == [str(each["id"]) for each in made[::-1]]
    assert not stats.verify()


def test_an_attempt_is_one_statement_on_postgresql(alice: Person, django_assert_num_queries: Any) -> None:
    for _ in range(2):
        with django_assert_num_queries(1 if connection.vendor == "postgresql" else 5):  # a savepoint's two among them
            attempt(alice)


def test_an_attempt_counts_nowhere_where_it_is_not_stored(alice: Person) -> None:
    made = attempt(alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        attempt(alice, id=made["id"])
    assert got(alice, "/summary")["total_attempts"] == 1
    assert not stats.verify()


# --- manage.py stats ------------------------------------------------------------------------------------------------


@pytest.fixture
def history(alice: Person, bob: Person) -> None:
    for someone in (alice, bob):
        attempts_at(someone, [START + timedelta(hours=number) for number in range(5)], passed_tests=1)


def spoil(someone: Person) -> None:
    QuestionStatus.objects.filter(user=someone.user).update(attempts=99)


def statuses() -> list[dict[str, Any]]:
    rows = QuestionStatus.objects.order_by("user", "question_id").values()
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


@pytest.mark.usefixtures("history")
def test_verify_finds_no_fault_with_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("stats", "verify")
    assert capsys.readouterr().out == "All statuses are right.\n"


@pytest.mark.usefixtures("history")
def test_verify_shows_what_differs_and_fails(alice: Person) -> None:
    spoil(alice)
    said, code = reported("stats", "verify")
    verdict, difference = said.splitlines()
    assert (verdict.partition(".")[0], code) == ("Statuses of 1 user are wrong", 1)
    assert difference == "alice@example.com, question 1: attempts is 99 instead of 5"


@pytest.mark.usefixtures("history")
def test_verify_names_a_status_that_is_missing_or_too_many(alice: Person) -> None:
    QuestionStatus.objects.filter(user=alice.user, question_id=1).update(question_id=99)
    assert reported("stats", "verify")[0].splitlines()[1:] == [
        "alice@example.com, question 1: is missing",
        "alice@example.com, question 99: is stored without an attempt",
    ]


@pytest.mark.usefixtures("history")
def test_rebuild_restores_what_is_lost(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    before = statuses()
    QuestionStatus.objects.filter(user=alice.user).delete()
    call_command("stats", "rebuild")
    assert statuses() == before
    assert capsys.readouterr().out == "Statuses of 1 user were wrong and have been corrected.\n"
    assert reported("stats", "rebuild") == ("All statuses are right.\n", 0)


@pytest.mark.usefixtures("history")
def test_rebuild_removes_statuses_without_attempts(alice: Person) -> None:
    Attempt.objects.filter(user=alice.user).delete()
    call_command("stats", "rebuild")
    assert not QuestionStatus.objects.filter(user=alice.user).exists()
    assert got(alice, "/summary")["total_attempts"] == 0
    attempt(alice)
    assert got(alice, "/summary")["total_attempts"] == 1


@pytest.mark.usefixtures("transactional_db")
def test_rebuild_loses_nothing_that_arrives_meanwhile() -> None:
    people = [person(f"user{number}@example.com") for number in range(4)]
    done, failures, made = threading.Event(), [], []

    def write(someone: Person) -> None:
        try:
            for number in count(2):
                if done.wait(0.005):  # SQLite's writers do not queue: without a pause a rebuild comes last
                    break
                made.append(attempt(someone, question_id=number // 2, passed_tests=1))
        except BaseException as exc:  # noqa: BLE001 - the test raises it
            failures.append(exc)
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write, args=(someone,)) for someone in people[:3]]
    for writer in writers:
        writer.start()
    try:
        for _ in range(20):
            spoil(people[0])
            spoil(people[3])
            stats.rebuild()
    finally:
        done.set()
        for writer in writers:
            writer.join(30)
    assert not failures
    assert not stats.verify()
    assert {each["id"] for each in made} == set(Attempt.objects.values_list("pk", flat=True))


def test_a_count_that_is_too_low_costs_no_attempt(alice: Person) -> None:
    for _ in range(3):
        attempt(alice, passed_tests=1)
    QuestionStatus.objects.update(attempts=1)
    attempt(alice)
    call_command("stats", "rebuild")
    call_command("stats", "verify")
    assert got(alice, "/summary")["total_attempts"] == 4
