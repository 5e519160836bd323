"""One's devices."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone

from accounts.devices import device_name
from accounts.models import Session, User
from conftest import Api, Person, Together

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_it_lists_the_live_ones_with_the_documented_facts(alice: Person, bob: Person) -> None:
    answer = alice.api.get("/auth/sessions")
    assert answer.status_code == 200
    (session,) = answer.json()
    assert session == {
        "id": str(alice.session.pk),
        "user_agent": "pytest",
        "ip": "192.0.2.1",
        "created_at": session["created_at"],
        "last_used_at": session["last_used_at"],
        "expires_at": session["expires_at"],
        "current": True,
    }


def test_it_marks_the_one_that_asks(api: Api, alice: Person) -> None:
    api.post("/auth/login", alice.credentials, **{"User-Agent": FIREFOX})
    sessions = alice.api.get("/auth/sessions").json()
    assert [(session["user_agent"], session["current"]) for session in sessions] == [(FIREFOX, False), ("pytest", True)]


def test_it_leaves_out_what_ended_expired_or_was_never_refreshed(alice: Person) -> None:
    now = timezone.now()
    changes: list[dict[str, Any]] = [
        {"ended_at": now, "end_reason": Session.EndReason.LOGOUT},
        {"expires_at": now},
        {"rotated_at": now - settings.REFRESH_TTL},
    ]
    for change in changes:
        facts = {"created_at": now - timedelta(days=20), "expires_at": now + timedelta(days=10)}
        Session.objects.create(user=alice.user, **(facts | change))
    assert len(alice.api.get("/auth/sessions").json()) == 1


def test_revoking_one_ends_it_at_once_and_no_other(api: Api, alice: Person) -> None:
    pair = api.post("/auth/login", alice.credentials).json()
    other = Session.objects.get(refresh_id=pair["refresh_token_id"])
    answer = alice.api.delete(f"/auth/sessions/{other.pk}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert Api(pair["access_token"]).get("/users/me").status_code == 401
    assert api.post("/auth/refresh", {"refresh_token": pair["refresh_token"]}).status_code == 401
    assert alice.api.get("/users/me").status_code == 200
    other.refresh_from_db()
    assert other.end_reason == Session.EndReason.REVOKED


def test_one_may_revoke_the_session_that_asks(alice: Person) -> None:
    assert alice.api.delete(f"/auth/sessions/{alice.session.pk}").status_code == 204
    assert alice.api.get("/users/me").status_code == 401


def test_only_one_s_own_live_ones_can_be_revoked(api: Api, alice: Person, bob: Person) -> None:
    ended = Session.objects.get(refresh_id=api.post("/auth/login", alice.credentials).json()["refresh_token_id"])
    assert alice.api.delete(f"/auth/sessions/{ended.pk}").status_code == 204
    for session_id in (bob.session.pk, uuid4(), ended.pk):
        answer = alice.api.delete(f"/auth/sessions/{session_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert bob.api.get("/users/me").status_code == 200


def started(someone: Person, number: int, **facts: Any) -> None:
    """Sessions from before the one that the person has."""
    now = timezone.now()
    Session.objects.bulk_create(
        Session(
            user=someone.user,
            created_at=now - timedelta(hours=number - index),
            expires_at=now + timedelta(days=10),
            **facts,
        )
        for index in range(number)
    )


def test_the_fifty_first_ends_the_oldest(api: Api, alice: Person, bob: Person) -> None:
    started(alice, 48)
    started(alice, 5, ended_at=timezone.now(), end_reason=Session.EndReason.LOGOUT)
    live = Session.objects.live().filter(user=alice.user)
    oldest = live.earliest("created_at")
    assert api.post("/auth/login", alice.credentials).status_code == 200
    assert live.count() == 50
    newest = api.post("/auth/login", alice.credentials).json()
    assert live.count() == 50 and Api(newest["access_token"]).get("/users/me").status_code == 200
    oldest.refresh_from_db()
    assert (oldest.end_reason, oldest.is_live(timezone.now())) == ("limit", False)
    assert bob.api.get("/users/me").status_code == 200


def test_of_many_logins_at_once_fifty_sessions_stay(alice: Person, together: Together) -> None:
    for _ in range(5):
        started(alice, 48)
        together(lambda _: Api().post("/auth/login", alice.credentials).status_code, 10)
        assert Session.objects.live().filter(user=alice.user).count() == 50


def test_an_id_that_is_none_is_refused(alice: Person) -> None:
    answer = alice.api.delete("/auth/sessions/all")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["path", "session_id"])


def test_a_session_ends_after_thirty_days_whatever_is_refreshed(alice: Person) -> None:
    with time_machine.travel(alice.session.expires_at - timedelta(minutes=1)):
        Session.objects.update(rotated_at=timezone.now())
        session = Session.objects.get()
        token = Person(alice.user, session, type(alice.tokens).of(session, alice.user)).tokens.access_token
        assert Api(token).get("/users/me").status_code == 200
    with time_machine.travel(alice.session.expires_at):
        assert Api(token).get("/users/me").status_code == 401


def test_a_demoted_admin_is_no_admin_on_the_next_request(admin: Person) -> None:
    User.objects.update(role="USER")
    assert admin.api.get("/users/is-admin").json() == {"is_admin": False}


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Mobile Safari on iOS"),
        ("curl/8.5.0", "curl"),
        ("", "an unknown device"),
        ("\x01<script>", "an unknown device"),
        ("Not you? Go to: https://evil.example/login/1 CFNetwork/1 Darwin/1", "iOS"),
        ("Your account is hacked: call 0900 123 bot/1.0", "an unknown device"),
    ],
)
def test_a_device_is_shown_in_words(agent: str, words: str) -> None:
    assert device_name(agent) == words
