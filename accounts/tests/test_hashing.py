"""Hashing within bounds: few at once, few that wait, none of them for ever."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt

from accounts import hashers
from accounts.models import Lease, User
from conftest import PASSWORD, Api, Person

NEW = {"email": "new@example.com", "password": PASSWORD}


@contextmanager
def all_of(semaphore: threading.Semaphore) -> Iterator[None]:
    taken = 0
    while semaphore.acquire(blocking=False):
        taken += 1
    yield
    for _ in range(taken):
        semaphore.release()


@pytest.fixture
def busy(settings: Any) -> Iterator[None]:
    """What is hashed takes for ever."""
    settings.ARGON2_WAIT = timedelta(seconds=0.05)
    with all_of(hashers.turns):
        yield


@pytest.fixture
def full() -> Iterator[None]:
    """Every place is taken."""
    with all_of(hashers.places):
        yield


@pytest.fixture(params=["busy", "full"])
def overload(request: pytest.FixtureRequest, alice: Person, admin: Person) -> None:
    request.getfixturevalue(request.param)


def assert_busy(answer: Any) -> None:
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "busy", "1")


@pytest.mark.usefixtures("overload")
def test_a_login_is_told_to_come_again_and_counts_as_no_guess(api: Api, alice: Person) -> None:
    for _ in range(4):
        assert_busy(api.post("/auth/login", alice.credentials))
    assert not AccessAttempt.objects.filter(failures_since_start__gt=0).exists()
    assert not Lease.objects.exists()


@pytest.mark.usefixtures("overload")
def test_a_registration_is_told_to_come_again_and_leaves_nothing(api: Api) -> None:
    assert_busy(api.post("/auth/register", NEW))
    assert not User.objects.filter(email=NEW["email"]).exists()


@pytest.mark.usefixtures("overload")
def test_a_change_of_password_is_told_to_come_again(alice: Person) -> None:
    body = {"old_password": PASSWORD, "new_password": "another horse altogether"}
    assert_busy(alice.api.put("/users/me", body))
    assert_busy(alice.api.post("/auth/verify-password", {"password": PASSWORD}))


@pytest.mark.usefixtures("overload")
def test_the_admin_site_says_so(admin: Person) -> None:
    answer = Api().client.post("/admin/login/", {"username": admin.user.email, "password": PASSWORD})
    assert "Try again in a moment" in answer.content.decode()


@pytest.mark.usefixtures("overload")
def test_other_calls_go_on(alice: Person) -> None:
    assert alice.api.get("/users/me").status_code == 200


def test_the_places_are_given_back(api: Api, alice: Person, settings: Any) -> None:
    for _ in range(settings.ARGON2_CONCURRENCY + settings.ARGON2_WAITING + 1):
        assert api.post("/auth/login", alice.credentials).status_code == 200


def test_a_hash_that_would_take_all_the_memory_is_not_tried(
    api: Api, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    alice.user.password = alice.user.password.replace("m=64,", "m=4194304,")
    alice.user.save(update_fields=["password"])
    assert api.post("/auth/login", alice.credentials).status_code == 401
    assert "cannot be read" in caplog.text
