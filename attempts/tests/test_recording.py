"""Recording an attempt."""

from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError

from attempts.models import Attempt, QuestionStatus
from attempts.tests.factories import ATTEMPT
from conftest import Person, Together, person


def record(someone: Person, **changes: Any) -> Any:
    return someone.api.post("/api/v1/attempts/", {**ATTEMPT, **changes})


def test_it_answers_with_the_documented_facts(alice: Person) -> None:
    answer = record(alice)
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {
        "id", "question_id", "language", "passed_tests", "total_tests", "created_at", "is_solved",
    }  # fmt: skip
    assert UUID(body["id"]).version == 7
    assert body["created_at"].endswith("Z")
    assert body["is_solved"] is False


@pytest.mark.parametrize(("passed", "total", "solved"), [(0, 0, False), (0, 1, False), (4, 5, False), (5, 5, True)])
def test_solved_means_one_test_at_least_and_all_passed(alice: Person, passed: int, total: int, solved: bool) -> None:
    assert record(alice, passed_tests=passed, total_tests=total).json()["is_solved"] is solved
    assert alice.api.get(f"/api/v1/attempts/me?solved={str(solved).lower()}").json()
    assert not alice.api.get(f"/api/v1/attempts/me?solved={str(not solved).lower()}").json()


def test_it_keeps_the_code_exactly(alice: Person) -> None:
    code = "  def f():\r\n\treturn '\N{SNAKE}'\n\n"
    attempt = record(alice, submitted_code=code).json()["id"]
    assert alice.api.get(f"/api/v1/attempts/{attempt}").json()["submitted_code"] == code


def test_it_counts_the_question_s_best(alice: Person) -> None:
    for passed, total, runtime in [(1, 5, 9), (5, 5, 30), (4, 5, 1), (5, 5, 20), (5, 5, 40)]:
        record(alice, passed_tests=passed, total_tests=total, runtime_ms=runtime)
    attempts = list(Attempt.objects.order_by("created_at"))
    status = QuestionStatus.objects.get()
    assert (status.attempts, status.best_passed_tests, status.total_tests) == (5, 5, 5)
    assert (status.solving_attempts, status.attempts_to_solve) == (3, 2)
    assert status.best_runtime_ms == 20
    assert (status.first_attempt_at, status.last_attempt_at) == (attempts[0].created_at, attempts[-1].created_at)
    assert status.solved_at == attempts[1].created_at


def test_an_unsolved_question_has_no_runtime_and_no_time_of_solving(alice: Person) -> None:
    record(alice, passed_tests=3, total_tests=5, runtime_ms=9)
    record(alice, passed_tests=0, total_tests=5, runtime_ms=3)
    status = QuestionStatus.objects.get()
    assert (status.best_passed_tests, status.best_runtime_ms) == (3, None)
    assert (status.solved_at, status.solving_attempts, status.attempts_to_solve) == (None, 0, None)


def test_a_solving_run_without_a_time_does_not_hide_one_with(alice: Person) -> None:
    record(alice, passed_tests=1, runtime_ms=20)
    record(alice, passed_tests=1)
    assert QuestionStatus.objects.get().best_runtime_ms == 20


def test_the_status_is_per_user_and_question(alice: Person, bob: Person) -> None:
    record(alice)
    record(bob)
    record(bob, question_id=18)
    assert QuestionStatus.objects.count() == 3


def test_the_database_itself_refuses_more_passed_than_there_are(alice: Person) -> None:
    with pytest.raises(IntegrityError, match="attempts_passed_of_total"):
        Attempt.objects.create(user=alice.user, **{**ATTEMPT, "passed_tests": 2})


def test_twenty_at_once_leave_twenty_attempts_and_one_right_status(together: Together, db: None) -> None:
    for number in range(20):
        someone = person(f"user{number}@example.com")

        def solve(turn: int, someone: Person = someone) -> int:
            status: int = record(someone, passed_tests=1, runtime_ms=turn + 1).status_code
            return status

        assert together(solve) == [201] * 20
        times = sorted(Attempt.objects.filter(user=someone.user).values_list("created_at", flat=True))
        status = QuestionStatus.objects.get(user=someone.user)
        assert (len(times), status.attempts, status.solving_attempts, status.best_runtime_ms) == (20, 20, 20, 1)
        assert status.attempts_to_solve == 1
        assert (status.first_attempt_at, status.last_attempt_at, status.solved_at) == (times[0], times[-1], times[0])
