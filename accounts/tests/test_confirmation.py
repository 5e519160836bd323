"""Confirming one's own password: ten different wrong ones, and nothing that keeps anybody from signing in."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from argon2 import PasswordHasher
from axes.models import AccessFailureLog
from django.utils import timezone

from accounts import hashing
from accounts.models import AuditEntry, ConfirmationGuess, LoginGuard, Mail
from accounts.reset_codes import new_code
from conftest import PASSWORD, Api, Person, Together

NEW = "another horse altogether"


def confirm(alice: Person, password: str = PASSWORD) -> Any:
    return alice.api.post("/auth/verify-password", {"password": password})


def change(alice: Person, old: str = PASSWORD, new: str = NEW) -> Any:
    return alice.api.put("/users/me", {"old_password": old, "new_password": new})


def guess(alice: Person, times: int, word: str = "wrong guess") -> None:
    for number in range(times):
        assert confirm(alice, f"{word} {number}").json() == {"ok": False}


def assert_too_many(answer: Any) -> None:
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_confirmations")
    assert "Retry-After" in answer.headers


def test_after_ten_wrong_ones_no_other_is_evaluated(alice: Person) -> None:
    guess(alice, 5)
    for number in range(5):
        assert change(alice, f"wrong change {number}").json()["code"] == "old_password_incorrect"
    for answer in (confirm(alice), confirm(alice, "wrong guess 10"), change(alice)):
        assert_too_many(answer)


def test_none_of_them_locks_the_login_or_leaves_a_trace(api: Api, alice: Person) -> None:
    guess(alice, 10)
    assert api.post("/auth/login", alice.credentials).status_code == 200
    for model in (LoginGuard, AccessFailureLog, Mail, AuditEntry):
        assert not model.objects.exists(), model


def test_the_owner_of_a_locked_account_can_still_confirm(api: Api, alice: Person) -> None:
    for _ in range(4):
        locked = api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    assert locked.status_code == 403
    assert confirm(alice).json() == {"ok": True}
    assert change(alice).status_code == 200


def test_the_same_wrong_one_is_no_new_guess(alice: Person) -> None:
    for _ in range(2):
        guess(alice, 9)
    assert confirm(alice).json() == {"ok": True}


def test_a_right_one_is_no_guess(alice: Person) -> None:
    guess(alice, 9)
    for _ in range(3):
        assert confirm(alice).json() == {"ok": True}
    assert ConfirmationGuess.objects.filter(is_wrong=True).count() == ConfirmationGuess.objects.count() == 9


def test_what_is_known_to_be_wrong_is_said_so_even_after_too_many(alice: Person) -> None:
    guess(alice, 10)
    assert_too_many(confirm(alice))
    guess(alice, 10)


def test_what_is_too_short_is_no_guess(alice: Person) -> None:
    for number in range(11):
        assert confirm(alice, f"short{number:02}").json() == {"ok": False}
        assert change(alice, f"short{number:02}").json()["code"] == "old_password_incorrect"
    assert not ConfirmationGuess.objects.exists()


def test_the_next_one_is_evaluated_when_retry_after_says(alice: Person) -> None:
    start = timezone.now()
    with time_machine.travel(start, tick=False) as clock:
        for minute in range(10):
            clock.move_to(start + timedelta(minutes=minute))
            guess(alice, 1, f"wrong guess of minute {minute}")
        wait = int(confirm(alice).headers["Retry-After"])
        assert wait == 6 * 60
        alice.api = Api(Api().post("/auth/login", alice.credentials).json()["access_token"])
        clock.shift(wait - 1)
        assert_too_many(confirm(alice))
        clock.shift(1)
        assert confirm(alice).json() == {"ok": True}
        guess(alice, 1)
        assert confirm(alice).headers["Retry-After"] == "60"


def test_each_user_has_a_count_of_their_own(alice: Person, bob: Person) -> None:
    guess(alice, 10)
    guess(bob, 9)
    assert confirm(bob).json() == {"ok": True}
    digests = ConfirmationGuess.objects.values_list("digest", flat=True)
    assert len(set(digests)) == 19  # equal passwords of two users cannot be told to be


def test_a_new_password_forgets_the_wrong_ones(alice: Person) -> None:
    guess(alice, 9)
    confirm(alice, NEW)
    code = new_code(alice.user.email)
    Api().post("/auth/reset-password", {"email": alice.user.email, "code": code, "new_password": NEW})
    alice.api = Api(Api().post("/auth/login", {**alice.credentials, "password": NEW}).json()["access_token"])
    assert confirm(alice, NEW).json() == {"ok": True}
    guess(alice, 9)
    assert change(alice, NEW, PASSWORD).status_code == 200
    assert not ConfirmationGuess.objects.exists()


def test_one_that_becomes_right_while_it_is_found_wrong_is_right(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = PasswordHasher.verify

    def change_meanwhile(*args: Any) -> bool:
        monkeypatch.undo()
        assert change(alice).status_code == 200
        return verify(*args)

    monkeypatch.setattr(hashing, "locked", lambda file: True)  # the change would wait for the turn
    monkeypatch.setattr(PasswordHasher, "verify", change_meanwhile)
    assert confirm(alice, NEW).json() == {"ok": False}
    assert confirm(alice, NEW).json() == {"ok": True}


def test_of_twenty_different_wrong_ones_at_once_ten_are_evaluated(alice: Person, together: Together) -> None:
    for round_ in range(5):
        answers = together(lambda number, round_=round_: confirm(alice, f"wrong guess {round_} {number}"))
        assert Counter(answer.status_code for answer in answers) == {200: 10, 429: 10}
        assert not any(answer.json().get("ok") for answer in answers)
        ConfirmationGuess.objects.all().delete()


def test_of_twenty_right_ones_at_once_all_are_right(alice: Person, together: Together) -> None:
    guess(alice, 9)
    for _ in range(5):
        assert {answer.content for answer in together(lambda _: confirm(alice))} == {b'{"ok":true}'}
    assert ConfirmationGuess.objects.count() == 9
