"""Documented bodies: exactly the documented keys, ids as UUIDs, times in UTC with a Z."""

import re
from typing import Any
from uuid import UUID

import pytest

from accounts.tokens.jwt import verification_token
from conftest import PASSWORD, Api, Mailbox, Person
from peerprep_users.tests.calls import ATTEMPT, REGISTRATION

PAIR = {"access_token", "refresh_token", "refresh_token_id"}
PROFILE = {"id", "email", "name", "role"}
LISTED = {"id", "question_id", "language", "passed_tests", "total_tests", "created_at", "is_solved"}
SHOWN = LISTED - {"is_solved"} | {"submitted_code"}
SESSION = {"id", "user_agent", "ip", "created_at", "last_used_at", "expires_at", "current"}
NEW_PASSWORD = "another fine password"


def keys(answer: Any, status: int = 200) -> set[str]:
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/json"
    return set(answer.json())


@pytest.mark.usefixtures("db")
def test_it_answers_registration_with_a_pair(api: Api) -> None:
    assert keys(api.post("/auth/register", REGISTRATION), 201) == PAIR


def test_it_answers_a_login_with_a_pair(api: Api, alice: Person) -> None:
    answer = api.post("/auth/login", alice.credentials)
    assert keys(answer) == PAIR
    assert str(UUID(answer.json()["refresh_token_id"])) == answer.json()["refresh_token_id"]


def test_it_answers_a_refresh_with_a_pair_and_its_type(api: Api, alice: Person) -> None:
    answer = api.post("/auth/refresh", {"refresh_token": alice.tokens.refresh_token})
    assert keys(answer) == {*PAIR, "token_type"}
    assert answer.json()["token_type"] == "bearer"


def test_it_answers_a_logout(alice: Person) -> None:
    assert alice.api.post("/auth/logout").json() == {"ok": True, "message": "Logged out successfully"}


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", ["/auth/forgot-password", "/auth/resend-verification"])
def test_it_answers_whatever_the_address(api: Api, path: str) -> None:
    assert api.post(path, {"email": "nobody@example.com"}).json() == {"ok": True}


def test_it_answers_a_reset(api: Api, alice: Person, mailbox: Mailbox) -> None:
    api.post("/auth/forgot-password", {"email": alice.user.email})
    proof = {"email": alice.user.email, "code": mailbox.code()}
    assert api.post("/auth/verify-reset-code", proof).json() == {"ok": True}
    assert api.post("/auth/reset-password", {**proof, "new_password": NEW_PASSWORD}).json() == {"ok": True}


@pytest.mark.parametrize(("password", "right"), [(PASSWORD, True), ("a wrong password", False)])
def test_it_answers_whether_a_password_is_right(alice: Person, password: str, right: bool) -> None:
    answer = alice.api.post("/auth/verify-password", {"password": password})
    assert (answer.status_code, answer.json()) == (200, {"ok": right})


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_answers_a_verification(api: Api, unverified: Person, method: str) -> None:
    token = verification_token(unverified.user)
    for _ in range(2):
        if method == "GET":
            answer = api.get(f"/auth/verify-email?token={token}")
        else:
            answer = api.post("/auth/verify-email", {"token": token})
        assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_it_answers_with_sessions(alice: Person) -> None:
    answer = alice.api.get("/auth/sessions")
    assert answer.status_code == 200
    assert [set(session) for session in answer.json()] == [SESSION]


def test_it_answers_the_end_of_a_session_with_nothing(alice: Person) -> None:
    answer = alice.api.delete(f"/auth/sessions/{alice.session.pk}")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.usefixtures("db")
def test_it_answers_with_a_key_set(api: Api) -> None:
    assert keys(api.get("/.well-known/jwks.json")) == {"keys"}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
def test_it_answers_with_a_profile(alice: Person, method: str) -> None:
    answer = alice.api(method, "/users/me", None if method == "GET" else {"name": "Alicia"})
    assert keys(answer) == PROFILE
    assert answer.json()["id"] == str(alice.user.pk)
    assert answer.json()["role"] == "USER"


def test_it_answers_a_change_of_password_with_a_profile(alice: Person) -> None:
    body = {"new_password": NEW_PASSWORD, "old_password": PASSWORD}
    assert keys(alice.api.put("/users/me", body)) == PROFILE


def test_it_answers_a_deletion(alice: Person) -> None:
    answer = alice.api.delete("/users/me")
    assert (answer.status_code, answer.json()) == (200, {"message": "Account deleted successfully."})


def test_it_answers_who_is_an_admin(alice: Person, admin: Person) -> None:
    assert alice.api.get("/users/is-admin").json() == {"is_admin": False}
    assert admin.api.get("/users/is-admin").json() == {"is_admin": True}


def test_it_welcomes(alice: Person) -> None:
    assert alice.api.get("/home").json() == {"message": "Welcome, Alice!"}


def test_it_answers_with_attempts(alice: Person) -> None:
    answer = alice.api.post("/api/v1/attempts/", ATTEMPT)
    assert keys(answer, 201) == LISTED
    listed = alice.api.get("/api/v1/attempts/me?limit=50&offset=0")
    assert listed.status_code == 200
    assert listed.json() == [answer.json()]
    assert keys(alice.api.get(f"/api/v1/attempts/{answer.json()['id']}")) == SHOWN
    assert keys(alice.api.get("/api/v1/attempts/me/summary")) == {"total_attempts", "solved", "last_attempt_at"}


def test_it_writes_ids_and_times_in_one_form(alice: Person) -> None:
    created = alice.api.post("/api/v1/attempts", ATTEMPT).json()
    shown = alice.api.get(f"/api/v1/attempts/{created['id']}").json()
    summary = alice.api.get("/api/v1/attempts/me/summary").json()
    assert str(UUID(created["id"])) == created["id"] == shown["id"]
    assert created["created_at"] == shown["created_at"] == summary["last_attempt_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", created["created_at"])


def test_it_summarises_nothing(alice: Person) -> None:
    nothing = {"total_attempts": 0, "solved": 0, "last_attempt_at": None}
    assert alice.api.get("/api/v1/attempts/me/summary").json() == nothing
    assert alice.api.get("/api/v1/attempts/me").json() == []
