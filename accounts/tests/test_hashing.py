"""Hashing within bounds: few at once, few that wait, none of them for ever."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from django.test import Client

from accounts import hashing
from accounts.models import LoginGuard, User
from accounts.reset_codes import new_code
from conftest import PASSWORD, Api, Person

NEW = {"email": "new@example.com", "password": PASSWORD}


@pytest.fixture
def busy(settings: Any) -> Iterator[None]:
    """What is hashed takes for ever."""
    settings.ARGON2_WAIT = timedelta(seconds=0.05)
    for _ in range(settings.ARGON2_CONCURRENCY):
        hashing.under_way.acquire()
    yield
    for _ in range(settings.ARGON2_CONCURRENCY):
        hashing.under_way.release()


@pytest.fixture
def full() -> Iterator[None]:
    """As many as may wait for a hash already do."""
    for number in range(hashing.HASHES):
        assert hashing.hash_slots.acquire(str(number))
    yield
    for number in range(hashing.HASHES):
        hashing.hash_slots.release(str(number))


@pytest.fixture(params=["busy", "full"])
def overload(request: pytest.FixtureRequest, alice: Person, admin: Person) -> None:
    request.getfixturevalue(request.param)


def assert_busy(answer: Any) -> None:
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "busy", "1")


@pytest.mark.usefixtures("overload")
def test_a_login_is_told_to_come_again_and_counts_as_no_guess(api: Api, alice: Person) -> None:
    for _ in range(4):
        assert_busy(api.post("/auth/login", alice.credentials))
    assert not LoginGuard.objects.exclude(failures=0, holder=None).exists()


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
def test_a_right_reset_code_stays_good(alice: Person) -> None:
    code = new_code(alice.user.email)
    body = {"email": alice.user.email, "code": code, "new_password": "another horse altogether"}
    for _ in range(6):
        assert_busy(Api().post("/auth/reset-password", body))
    assert Api().post("/auth/verify-reset-code", {"email": alice.user.email, "code": code}).status_code == 200


def test_one_account_cannot_have_every_hash(api: Api, alice: Person, bob: Person) -> None:
    mine = hashing.hash_slots.per_owner
    for _ in range(mine):
        assert hashing.hash_slots.acquire(alice.user.email)
    assert_busy(api.post("/auth/login", alice.credentials))
    assert api.post("/auth/login", bob.credentials).status_code == 200
    for _ in range(mine):
        hashing.hash_slots.release(alice.user.email)
    assert api.post("/auth/login", alice.credentials).status_code == 200
    assert not hashing.hash_slots.owners


@pytest.mark.usefixtures("overload")
def test_the_admin_site_says_so(admin: Person) -> None:
    answer = Client().post("/admin/login/", {"username": admin.user.email, "password": PASSWORD})
    assert "Try again in a moment" in answer.content.decode()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


@pytest.mark.usefixtures("overload")
def test_other_calls_go_on(alice: Person) -> None:
    assert alice.api.get("/users/me").status_code == 200


def test_hashing_ends_with_its_request(api: Api, alice: Person, settings: Any) -> None:
    for _ in range(settings.ARGON2_CONCURRENCY + settings.ARGON2_WAITING + 1):
        assert api.post("/auth/login", alice.credentials).status_code == 200


@pytest.mark.parametrize(
    "parameters", ["m=4194304,t=1,p=1", "m=64,t=99999999,p=1", "m=262144,t=5,p=1", "m=64,t=1,p=65"]
)
def test_a_hash_that_asks_for_too_much_is_not_tried(
    api: Api, alice: Person, parameters: str, caplog: pytest.LogCaptureFixture
) -> None:
    alice.user.password = alice.user.password.replace("m=64,t=1,p=1", parameters)
    alice.user.save(update_fields=["password"])
    assert api.post("/auth/login", alice.credentials).status_code == 401
    assert "cannot be read" in caplog.text


def test_a_hash_for_which_there_is_no_memory_is_an_overload(
    api: Api, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*args: object) -> None:
        raise VerificationError("Memory allocation error")

    monkeypatch.setattr(PasswordHasher, "verify", no_memory)
    assert_busy(api.post("/auth/login", alice.credentials))
    assert not LoginGuard.objects.exclude(failures=0, holder=None).exists()
