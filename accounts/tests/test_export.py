"""`GET /users/me/export`: all that the service holds about the user, and no secret."""

import json
import re
from typing import Any

import pytest

from accounts.audit.log import NO_CLIENT, Actor
from accounts.flows import administration
from accounts.models import ConfirmationGuess, PasswordReset, Session
from accounts.reset_codes import new_code
from conftest import Api, Mailbox, Person

ATTEMPT = {"question_id": 1, "language": "python", "submitted_code": "x", "passed_tests": 1, "total_tests": 1}
PARTS = {  # with the facts of each row; those of other apps are in their own tests
    "profile": "id email name role is_verified is_active created_at updated_at",
    "sessions": "id user_agent ip created_at last_used_at rotated_at expires_at ended_at end_reason",
    "known_devices": "name first_seen_at",
    "revoked_refresh_tokens": "created_at expires_at",
    "reset_codes": "created_at expires_at guesses used_at",
    "mails": "id kind to facts state created_at due_at tries error sent_at",
    "security_events": "kind occurred_at address request_id actor_kind reason facts ip user_agent",
    "failed_login_counts": "failures failed_at",
    "failed_logins": "attempt_time ip_address user_agent path_info locked_out",
    "confirmation_guesses": "guessed_at is_wrong",
    "admin_actions": "kind occurred_at address ip user_agent request_id reason facts",
    "attempts": "",
    "questions": "",
    "idempotency_keys": "",
}


def live(person: Person, mailbox: Mailbox) -> None:
    """Leaves something of every kind behind."""
    person.api.post("/api/v1/attempts", ATTEMPT, **{"Idempotency-Key": "my-key"})
    Api().post("/auth/login", person.credentials)
    Api().post("/auth/login", {**person.credentials, "password": "wrong"})
    person.api.post("/auth/verify-password", {"password": "wrong password"})
    Api().post("/auth/forgot-password", {"email": person.user.email})
    mailbox.all()
    refreshed = Api().post("/auth/refresh", {"refresh_token": person.tokens.refresh_token}).json()["refresh_token"]
    for _ in range(2):
        Api().post("/auth/refresh", {"refresh_token": refreshed})
        refreshed = Api().post("/auth/refresh", {"refresh_token": refreshed}).json().get("refresh_token", refreshed)


def exported(person: Person) -> dict[str, Any]:
    answer = person.api.get("/users/me/export")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    found: dict[str, Any] = json.loads(answer.getvalue())
    return found


def test_it_holds_everything(alice: Person, mailbox: Mailbox) -> None:
    live(alice, mailbox)
    found = exported(alice)
    assert set(found) == set(PARTS)
    assert found["profile"]["email"] == "alice@example.com"
    assert found["attempts"][0]["submitted_code"] == "x"
    assert found["questions"][0]["question_id"] == 1
    assert found["idempotency_keys"][0]["key"] == "my-key"
    for _ in range(2):  # a lock, with the third one
        Api().post("/auth/login", {**alice.credentials, "password": "wrong"})
    administration.rename(user=alice.user, name="Alicia", by=Actor.admin(alice.user, NO_CLIENT))
    found = exported(alice)
    for name, facts in PARTS.items():
        row = found[name] if name == "profile" else found[name][0]
        assert not facts or set(row) == set(facts.split()), name


def test_it_holds_no_other_users_data(alice: Person, bob: Person, mailbox: Mailbox) -> None:
    live(bob, mailbox)
    found = exported(alice)
    assert [name for name, value in found.items() if value] == ["profile", "sessions"]
    assert "bob" not in json.dumps(found)


def test_it_holds_no_secret(alice: Person, mailbox: Mailbox) -> None:
    live(alice, mailbox)
    new_code(alice.user.email)
    text = json.dumps(exported(alice))
    session = Session.objects.get(pk=alice.session.pk)
    hashes = [alice.user.password, PasswordReset.objects.get().code_hash, ConfirmationGuess.objects.get().digest]
    secrets = [*hashes, alice.tokens.refresh_token]
    ids = [session.refresh_id, session.previous_id, alice.tokens.refresh_token_id]
    assert not [secret for secret in (*secrets, *map(str, ids)) if secret in text]
    assert not re.search(r"argon2|_hash|\"jti\"|eyJ", text)


@pytest.mark.parametrize("chunk", [1, 3, 500])
def test_it_is_sent_in_pieces(alice: Person, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attempts.flows.history.CHUNK", chunk)
    for question_id in range(1, 8):
        alice.api.post("/api/v1/attempts", {**ATTEMPT, "question_id": question_id})
    assert alice.api.get("/users/me/export").streaming
    found = exported(alice)
    assert [row["question_id"] for row in found["attempts"]] == [7, 6, 5, 4, 3, 2, 1]
    assert [row["question_id"] for row in found["questions"]] == [1, 2, 3, 4, 5, 6, 7]
