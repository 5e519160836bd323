"""How many attempts a user may record: in a minute, and before the address is verified."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.tokens.jwt import verification_token
from attempts.models import Attempt, IdempotencyKey
from attempts.tests.factories import ATTEMPT, store_attempts
from conftest import Api, Person, Together, person


def send(someone: Person, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return someone.api.post("/api/v1/attempts", ATTEMPT, **headers)


@pytest.fixture
def limits(settings: Any) -> Any:
    """Three attempts in ten minutes."""
    settings.RATE_LIMIT_ENABLED, settings.REDIS_URL = True, ""
    limit = settings.RATE_LIMITS["attempts"]._replace(calls=3, period=timedelta(minutes=10))
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"attempts": limit}
    return settings


@pytest.mark.parametrize("key", ["", "k"])
def test_each_user_has_a_limit_of_their_own(alice: Person, bob: Person, limits: Any, key: str) -> None:
    answers = [send(alice, key and f"{key}{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[-1].json()["code"] == "rate_limited"
    assert 590 <= int(answers[-1].headers["Retry-After"]) <= 600
    assert send(bob).status_code == 201
    assert Attempt.objects.filter(user=alice.user).count() == 3


def test_a_replay_is_no_attempt(alice: Person, limits: Any) -> None:
    for number in range(4):
        send(alice, f"k{number}")
    replayed = send(alice, "k0")
    assert (replayed.status_code, replayed.headers["Idempotent-Replayed"]) == (201, "true")
    assert not IdempotencyKey.objects.filter(key="k3").exists()


def test_a_refused_attempt_is_not_counted(alice: Person, limits: Any) -> None:
    refused = [alice.api.post("/api/v1/attempts", {}) for _ in range(4)]
    assert [answer.status_code for answer in refused] == [422] * 4
    assert not any("RateLimit-Limit" in answer.headers for answer in refused)
    assert send(alice).headers["RateLimit-Remaining"] == "2"


def test_the_limit_can_be_switched_off(alice: Person, limits: Any) -> None:
    limits.RATE_LIMIT_ENABLED = False
    assert [send(alice).status_code for _ in range(5)] == [201] * 5


def test_twenty_may_be_recorded_before_the_address_is_verified(unverified: Person) -> None:
    store_attempts(unverified, [timezone.now()] * 18)
    assert [send(unverified).status_code, send(unverified, "k").status_code] == [201, 201]
    for key in ("", "another"):
        refused = send(unverified, key)
        assert (refused.status_code, refused.json()["code"]) == (403, "email_not_verified")
        assert "20 attempts" in refused.json()["detail"]
    assert send(unverified, "k").headers["Idempotent-Replayed"] == "true"
    assert Attempt.objects.count() == 20
    Api().post("/auth/verify-email", {"token": verification_token(unverified.user)})
    assert send(unverified, "another").status_code == 201


def test_of_many_at_once_no_more_than_twenty_are_recorded(together: Together, db: None) -> None:
    for number in range(5):
        una = person(f"una{number}@example.com", is_verified=False)
        store_attempts(una, [timezone.now()] * 15)
        statuses = together(lambda turn, una=una: send(una, f"k{turn}" if turn % 2 else "").status_code)
        assert Counter(statuses) == {201: 5, 403: 15}
        assert Attempt.objects.filter(user=una.user).count() == 20
