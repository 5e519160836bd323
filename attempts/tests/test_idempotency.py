"""`Idempotency-Key`: a call that is sent again is not done again."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from attempts.flows import recording
from attempts.models import Attempt, IdempotencyKey
from attempts.tests.factories import ATTEMPT, failing_at, got
from conftest import Person, Together, person


def send(someone: Person, key: str = "k", **changes: Any) -> Any:
    return someone.api.post("/api/v1/attempts", {**ATTEMPT, **changes}, **{"Idempotency-Key": key})


def test_the_same_key_and_body_get_the_first_answer(alice: Person) -> None:
    first, second = send(alice), send(alice)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Attempt.objects.count() == 1
    assert got(alice, "/summary")["total_attempts"] == 1


def test_it_is_the_meaning_of_the_body_that_counts(alice: Person) -> None:
    first = send(alice, total_tests=1.0, unknown=1)
    second = alice.api.post("/api/v1/attempts/", dict(reversed(ATTEMPT.items())), **{"Idempotency-Key": "k"})
    assert first.json() == second.json()


@pytest.mark.parametrize("change", [{"passed_tests": 1}, {"submitted_code": "x "}, {"runtime_ms": 1}])
def test_the_same_key_with_another_body_is_refused(alice: Person, change: dict[str, Any]) -> None:
    send(alice)
    answer = send(alice, **change)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert isinstance(answer.json()["detail"], str)
    assert Attempt.objects.count() == 1


def test_a_key_is_one_user_s(alice: Person, bob: Person) -> None:
    assert send(alice).json()["id"] != send(bob, passed_tests=1).json()["id"]


def test_other_keys_and_none_are_other_attempts(alice: Person) -> None:
    sent = [send(alice, "a"), send(alice, "A"), send(alice, "a b"), alice.api.post("/api/v1/attempts", ATTEMPT)]
    assert len({answer.json()["id"] for answer in sent}) == 4


def test_a_refused_body_does_not_use_the_key(alice: Person) -> None:
    assert send(alice, passed_tests=2).status_code == 422
    assert send(alice).status_code == 201


def test_a_failure_does_not_use_the_key(alice: Person) -> None:
    with failing_at("attempts"):
        assert send(alice).status_code == 500
    assert not Attempt.objects.exists()
    assert send(alice).status_code == 201
    assert Attempt.objects.count() == 1


def test_a_key_is_kept_a_day_and_then_means_nothing(alice: Person) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        first = recording.record_attempt(user=alice.user, key="k", **ATTEMPT).attempt
    with time_machine.travel(now + timedelta(hours=23, minutes=59), tick=False):
        call_command("purge_expired")
        assert recording.record_attempt(user=alice.user, key="k", **ATTEMPT).attempt == first
    with time_machine.travel(now + timedelta(hours=24), tick=False):
        assert recording.record_attempt(user=alice.user, key="k", **ATTEMPT, runtime_ms=1).attempt["id"] != first["id"]
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.slow
def test_old_keys_are_purged(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    send(alice)
    with time_machine.travel(timezone.now() + timedelta(hours=24, seconds=1)):
        call_command("purge_expired")
    assert not IdempotencyKey.objects.exists()
    assert "idempotency keys: 1 removed" in capsys.readouterr().out
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("key", ["k" * 255, "a", "7f9c2ba4-e88f-41d2-9b1f-0c5a3ea6e3c1", '"quoted"', "~ !#$%&"])
def test_it_takes_a_key(alice: Person, key: str) -> None:
    assert send(alice, key).json() == send(alice, key).json()


@pytest.mark.parametrize("key", ["", "k" * 256, "a\0", "a\nb", "\x7f", "é", "\u0661", "k" * 10_000], ids=ascii)
def test_it_refuses_a_bad_key(alice: Person, key: str) -> None:
    answer = send(alice, key)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert answer.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]
    assert not Attempt.objects.exists()


def test_twenty_at_once_are_one_attempt_and_twenty_equal_answers(together: Together, db: None) -> None:
    for number in range(20):
        someone = person(f"user{number}@example.com")
        times = 5 if number else 20
        answers = together(lambda turn, someone=someone: send(someone, "k"), times)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len([answer for answer in answers if "Idempotent-Replayed" in answer.headers]) == times - 1
        assert Attempt.objects.filter(user=someone.user).count() == 1


def test_a_key_whose_attempt_was_removed_by_hand_is_not_found(alice: Person) -> None:
    headers = {"Idempotency-Key": "a"}
    alice.api.post("/api/v1/attempts", ATTEMPT, **headers)
    Attempt.objects.all().delete()
    assert alice.api.post("/api/v1/attempts", ATTEMPT, **headers).status_code == 404
