"""What other services are told of: each change writes its events, with ids and no more."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.audit.log import NO_CLIENT, Actor
from accounts.flows import administration, registration
from accounts.models import Role, User
from accounts.reset_codes import new_code
from accounts.tokens.jwt import verification_token
from conftest import PASSWORD, Api, Person, Together, person
from core.models import Event
from peerprep_users.jobs import JOBS
from peerprep_users.purge import purges
from peerprep_users.tests.calls import ATTEMPT, REGISTRATION

SOLVING = ATTEMPT | {"passed_tests": 4}
REASON: dict[str, Any] = {"by": Actor.operator(), "reason": "a test"}


@pytest.fixture(autouse=True)
def _told(settings: Any) -> None:
    settings.RABBITMQ_URL = "amqp://rabbitmq.example/"


def told() -> list[tuple[str, dict[str, Any]]]:
    return list(Event.objects.order_by("position").values_list("type", "data"))


def types() -> list[str]:
    return [kind for kind, _ in told()]


# --- Users ----------------------------------------------------------------------------------------------------------


def purge_unverified(one: Person) -> None:
    User.objects.filter(pk=one.user.pk).update(created_at=timezone.now() - timedelta(days=8))
    for _, _, batches in purges():
        list(batches)


def reset(one: Person) -> None:
    body = {"email": one.user.email, "code": new_code(one.user.email), "new_password": "another fine password"}
    assert Api().post("/auth/reset-password", body).status_code == 200


def verify(one: Person) -> None:
    for _ in range(2):
        assert Api().post("/auth/verify-email", {"token": verification_token(one.user)}).status_code == 200


CHANGES: dict[str, tuple[Callable[[Person], object], list[str]]] = {
    "follows the link": (verify, ["user.verified"]),
    "is verified": (lambda one: administration.verify_address(user=one.user, **REASON), ["user.verified"]),
    "resets the password": (reset, ["user.verified", "session.ended"]),
    "renames": (lambda one: one.api.put("/users/me", {"name": "Al"}), ["user.renamed"]),
    "keeps the name": (lambda one: one.api.put("/users/me", {"name": one.user.name}), []),
    "is renamed": (
        lambda one: administration.rename(user=one.user, name="Al", by=Actor.operator()),
        ["user.renamed"],
    ),
    "becomes an admin": (
        lambda one: administration.set_role(user=one.user, role=Role.ADMIN, **REASON),
        ["user.role_changed"],
    ),
    "is deactivated": (
        lambda one: administration.deactivate(user=one.user, **REASON),
        ["session.ended", "user.deactivated"],
    ),
    "leaves": (lambda one: one.api.delete("/users/me"), ["session.ended", "user.deleted"]),
    "is deleted": (
        lambda one: administration.delete(user=one.user, **REASON),
        ["session.ended", "user.deleted"],
    ),
    "expires": (purge_unverified, ["session.ended", "user.deleted"]),
    "signs out": (lambda one: one.api.post("/auth/logout"), ["session.ended"]),
    "revokes": (lambda one: one.api.delete(f"/auth/sessions/{one.session.pk}"), ["session.ended"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_user_is_told(unverified: Person, name: str) -> None:
    change, expected = CHANGES[name]
    change(unverified)
    assert types() == expected
    assert set(Event.objects.values_list("user_id", flat=True)) <= {unverified.user.pk}


def test_a_registration_is_told_once_with_the_role(api: Api, db: None) -> None:
    assert [api.post("/auth/register", REGISTRATION).status_code for _ in range(2)] == [201, 409]
    assert told() == [("user.registered", {"role": "USER", "is_verified": False})]


def test_an_invited_user_is_told_and_verified_by_the_first_password(db: None) -> None:
    user = administration.invite(email="new@example.com", name="", by=Actor.operator())
    first: Any = {"token": verification_token(user), "new_password": PASSWORD, "client": NO_CLIENT}
    assert [registration.choose_first_password(**first) for _ in range(2)] == [True, False]
    assert told() == [("user.registered", {"role": "USER", "is_verified": False}), ("user.verified", {})]


def test_a_new_admin_is_told_as_one(db: None) -> None:
    administration.create_admin(email="new@example.com", password=PASSWORD, by=Actor.operator())
    assert told() == [("user.registered", {"role": "ADMIN", "is_verified": True})]


@pytest.mark.slow
def test_of_demo_users_only_the_admin_is_told_until_they_are_removed(db: None) -> None:
    call_command("seed_demo", "--users", "2", "--attempts", "10")
    assert types() == ["user.registered"]
    call_command("seed_demo", "--remove", "--yes")
    assert types().count("user.deleted") == 3


def test_the_end_of_a_session_is_told_with_its_reason(alice: Person) -> None:
    alice.api.post("/auth/logout")
    assert told() == [("session.ended", {"session_id": str(alice.session.pk), "reason": "logout"})]


def test_what_is_refused_is_not_told(admin: Person) -> None:
    assert admin.api.delete("/users/me").status_code == 409
    assert told() == []


def test_a_link_that_is_followed_many_times_at_once_verifies_once(transactional_db: None, together: Together) -> None:
    una = person("una@example.com", is_verified=False)
    token = verification_token(una.user)
    answers = together(lambda _: Api().post("/auth/verify-email", {"token": token}).status_code)
    assert (answers, types()) == ([200] * 20, ["user.verified"])


# --- Attempts -------------------------------------------------------------------------------------------------------


def test_only_the_first_solving_attempt_solves_the_question(alice: Person) -> None:
    ids = [alice.api.post("/api/v1/attempts", body).json()["id"] for body in (ATTEMPT, SOLVING, SOLVING, ATTEMPT)]
    assert types() == ["attempt.recorded", "attempt.recorded", "question.solved", *["attempt.recorded"] * 2]
    facts = {"question_id": 7, "language": "python", "passed_tests": 3, "total_tests": 4, "is_solved": False}
    assert told()[0][1] == {"attempt_id": ids[0], **facts}
    assert told()[2][1] == {"attempt_id": ids[1], "question_id": 7}


def test_an_attempt_that_is_replayed_is_not_told_again(alice: Person) -> None:
    for _ in range(2):
        alice.api.post("/api/v1/attempts", SOLVING, **{"Idempotency-Key": "k"})
    assert types() == ["attempt.recorded", "question.solved"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite needs a statement for each table")
def test_they_cost_no_statement_more(alice: Person, settings: Any) -> None:
    statements = []
    for url in ("", settings.RABBITMQ_URL):
        settings.RABBITMQ_URL = url
        with CaptureQueriesContext(connection) as queries:
            alice.api.post("/api/v1/attempts", SOLVING)
        statements.append(len(queries))
    assert statements[0] == statements[1] and types() == ["attempt.recorded"]


def test_attempts_at_once_are_told_in_the_order_in_which_they_are_counted(
    transactional_db: None, together: Together
) -> None:
    alice = person("alice@example.com")
    together(lambda _: alice.api.post("/api/v1/attempts", SOLVING))
    assert Counter(types()) == {"attempt.recorded": 20, "question.solved": 1}
    assert types()[1] == "question.solved"
    listed = alice.api.get("/api/v1/attempts/me").json()
    assert [facts["attempt_id"] for kind, facts in told() if kind == "attempt.recorded"] == [
        attempt["id"] for attempt in reversed(listed)
    ]


# --- Off ------------------------------------------------------------------------------------------------------------


def test_without_rabbitmq_nothing_is_written(settings: Any, alice: Person) -> None:
    settings.RABBITMQ_URL = ""
    alice.api.post("/api/v1/attempts", SOLVING)
    alice.api.delete("/users/me")
    assert told() == []
    assert "publish events" not in [job.name for job in JOBS]
