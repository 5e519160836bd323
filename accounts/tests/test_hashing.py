"""Hashing within bounds: few at once, few that wait, none of them for ever."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from django.test import Client

from accounts import hashing
from accounts.models import ConfirmationGuess, LoginGuard, User
from accounts.reset_codes import new_code
from conftest import PASSWORD, Api, Person

NEW = {"email": "new@example.com", "password": PASSWORD}


@pytest.fixture
def busy(settings: Any) -> Iterator[None]:
    """What is hashed takes for ever."""
    settings.REQUEST_TIME = timedelta(seconds=1.05)
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
def test_a_right_reset_code_stays_good(alice: Person) -> None:
    code = new_code(alice.user.email)
    body = {"email": alice.user.email, "code": code, "new_password": "another horse altogether"}
    for _ in range(6):
        assert_busy(Api().post("/auth/reset-password", body))
    assert Api().post("/auth/verify-reset-code", {"email": alice.user.email, "code": code}).status_code == 200


def test_registrations_cannot_have_every_hash(api: Api, alice: Person) -> None:
    for _ in range(hashing.hash_slots.per_owner):
        assert hashing.hash_slots.acquire(hashing.NEW_PASSWORDS)
    assert_busy(api.post("/auth/register", NEW))
    assert api.post("/auth/login", alice.credentials).status_code == 200
    for _ in range(hashing.hash_slots.per_owner):
        hashing.hash_slots.release(hashing.NEW_PASSWORDS)
    assert api.post("/auth/register", NEW).status_code == 201
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


# --- Users who are signed in ----------------------------------------------------------------------------------------

CHANGE = {"old_password": PASSWORD, "new_password": "another horse altogether"}


def confirm(somebody: Person, password: str = PASSWORD) -> Any:
    return somebody.api.post("/auth/verify-password", {"password": password})


@pytest.fixture
def own_busy(settings: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process of this host takes for ever over the hash of a user who is signed in."""
    settings.REQUEST_TIME = timedelta(seconds=1.05)
    hold = f"import fcntl; file = open({hashing.__file__!r}); fcntl.flock(file, fcntl.LOCK_EX); print(); input()"
    command = [sys.executable, "-uc", hold]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        yield process
        process.kill()


@pytest.fixture
def own_full() -> Iterator[None]:
    """As many users who are signed in as may wait for a hash already do."""
    for number in range(hashing.own_slots.total):
        assert hashing.own_slots.acquire(str(number))
    yield
    for number in range(hashing.own_slots.total):
        hashing.own_slots.release(str(number))


@pytest.mark.parametrize("state", [pytest.param("own_busy", marks=pytest.mark.slow), "own_full"])
def test_they_keep_nobody_from_signing_in(api: Api, alice: Person, request: Any, state: str) -> None:
    request.getfixturevalue(state)
    assert_busy(confirm(alice))
    assert_busy(alice.api.put("/users/me", CHANGE))
    assert api.post("/auth/login", alice.credentials).status_code == 200
    assert api.post("/auth/register", NEW).status_code == 201


@pytest.mark.usefixtures("overload")
def test_they_need_no_slot_of_the_logins(alice: Person, settings: Any) -> None:
    settings.REQUEST_TIME = timedelta(seconds=20)  # another process of the tests may have the turn of this host
    assert confirm(alice).json() == {"ok": True}
    assert alice.api.put("/users/me", CHANGE).status_code == 200


@pytest.mark.slow
def test_what_is_known_to_be_wrong_is_not_hashed_again(alice: Person, request: Any) -> None:
    assert confirm(alice, "wrong password").json() == {"ok": False}
    request.getfixturevalue("own_busy")
    assert confirm(alice, "wrong password").json() == {"ok": False}
    assert_busy(confirm(alice, "another wrong password"))


@pytest.mark.slow
def test_a_process_that_dies_leaves_the_turn_to_the_next(
    alice: Person, own_busy: "subprocess.Popen[bytes]", settings: Any
) -> None:
    assert_busy(confirm(alice))
    settings.REQUEST_TIME = timedelta(seconds=20)
    own_busy.kill()
    assert confirm(alice).json() == {"ok": True}
    assert not ConfirmationGuess.objects.exists()


def test_one_user_cannot_have_every_slot(alice: Person, bob: Person) -> None:
    for _ in range(hashing.own_slots.per_owner):
        assert hashing.own_slots.acquire(str(alice.user.pk))
    assert_busy(confirm(alice))
    assert confirm(bob).json() == {"ok": True}
    for _ in range(hashing.own_slots.per_owner):
        hashing.own_slots.release(str(alice.user.pk))
    assert confirm(alice).json() == {"ok": True}
    assert not hashing.own_slots.owners
