"""Refreshing."""

from dataclasses import asdict
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import settings
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import AuditEntry, Mail, Session
from accounts.tokens.jwt import LEEWAY, RefreshToken
from conftest import Api, Person, Together, person
from core.metrics import REGISTRY

GRACE = timedelta(seconds=10)


def refresh(token: str, **headers: str) -> Any:
    return Api().post("/auth/refresh", {"refresh_token": token}, **headers)


def test_it_gives_a_new_pair_of_the_same_session(alice: Person) -> None:
    answer = refresh(alice.tokens.refresh_token)
    assert answer.status_code == 200
    pair = answer.json()
    assert set(pair) == {"access_token", "refresh_token", "refresh_token_id", "token_type"}
    assert pair["token_type"] == "bearer"
    assert pair["refresh_token"] != alice.tokens.refresh_token
    assert Api(pair["access_token"]).get("/users/me").status_code == 200
    assert Session.objects.count() == 1


def test_a_replay_within_the_grace_gives_the_very_same_token(alice: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        first = refresh(alice.tokens.refresh_token).json()
        clock.shift(GRACE)
        again = refresh(alice.tokens.refresh_token)
    assert again.status_code == 200
    assert again.json()["refresh_token"] == first["refresh_token"]


PHONE = {"User-Agent": "phone", "X-Forwarded-For": "198.51.100.7"}
LAPTOP = {"User-Agent": "laptop", "X-Forwarded-For": "::102:304"}  # which PostgreSQL spells ::1.2.3.4


def replayed_elsewhere() -> tuple[int, int, int]:
    """The entries, the mails and the count of replays by another client."""
    entries = AuditEntry.objects.filter(kind=AuditEntry.Kind.REFRESH_TOKEN_REPLAYED)
    mails = Mail.objects.filter(kind=Mail.Kind.TOKEN_REPLAYED, to="alice@example.com")
    count = REGISTRY.get_sample_value("refresh_tokens_replayed_elsewhere_total") or 0
    return entries.count(), mails.count(), int(count)


@pytest.mark.parametrize(("changed", "noticed"), [("User-Agent", 1), ("X-Forwarded-For", 1), (None, 0)])
def test_a_replay_from_elsewhere_is_recorded_and_mailed(
    alice: Person, settings: Any, changed: str | None, noticed: int
) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    *_, before = replayed_elsewhere()
    replaying = LAPTOP | ({changed: PHONE[changed]} if changed else {})
    assert refresh(alice.tokens.refresh_token, **LAPTOP).status_code == 200
    assert refresh(alice.tokens.refresh_token, **replaying).status_code == 200
    assert replayed_elsewhere() == (noticed, noticed, before + noticed)
    for entry in AuditEntry.objects.all():
        assert (entry.user_id, entry.user_agent) == (alice.user.pk, replaying["User-Agent"])


def test_replays_from_elsewhere_are_recorded_ten_times_an_hour_and_mailed_once(alice: Person) -> None:
    *_, before = replayed_elsewhere()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        token = refresh(alice.tokens.refresh_token).json()["refresh_token"]
        for number in range(12):
            clock.shift(timedelta(seconds=0.1))
            refresh(alice.tokens.refresh_token, **{"User-Agent": f"phone {number}"})
        assert replayed_elsewhere() == (10, 1, before + 12)
        clock.shift(timedelta(hours=1))
        refresh(token)
        refresh(token, **PHONE)
    assert replayed_elsewhere() == (11, 2, before + 13)


def test_the_session_shows_the_device_and_the_address_of_the_last_refresh(alice: Person, settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    access = refresh(alice.tokens.refresh_token, **LAPTOP).json()["access_token"]
    refresh(alice.tokens.refresh_token, **PHONE)  # a replay is no refresh
    (session,) = Api(access).get("/auth/sessions").json()
    assert session["user_agent"] == "laptop" and ip_address(session["ip"]) == ip_address("::102:304")


def test_the_grace_does_not_slide(alice: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        refresh(alice.tokens.refresh_token)
        clock.shift(GRACE - timedelta(seconds=1))
        assert refresh(alice.tokens.refresh_token).status_code == 200
        clock.shift(timedelta(seconds=2))
        assert refresh(alice.tokens.refresh_token).status_code == 401


def test_a_replay_after_the_grace_ends_that_session_alone(alice: Person) -> None:
    other = person("carol@example.com")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        newest = refresh(alice.tokens.refresh_token).json()
        clock.shift(GRACE + timedelta(seconds=1))
        answer = refresh(alice.tokens.refresh_token)
        assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_reused")
        assert refresh(newest["refresh_token"]).json()["code"] == "invalid_refresh_token"
        assert Api(newest["access_token"]).get("/users/me").status_code == 401
        assert other.api.get("/users/me").status_code == 200
    event = AuditEntry.objects.get()
    assert (event.kind, event.user_id) == (AuditEntry.Kind.REFRESH_TOKEN_REUSED, alice.user.pk)


def test_a_token_from_before_the_predecessor_has_no_grace(alice: Person) -> None:
    second = refresh(alice.tokens.refresh_token).json()["refresh_token"]
    refresh(second)
    assert refresh(alice.tokens.refresh_token).json()["code"] == "refresh_token_reused"
    assert not Session.objects.live().exists()


def test_no_refresh_outlives_the_session(alice: Person) -> None:
    started = timezone.now()
    token = alice.tokens.refresh_token
    for day in range(6, 30, 6):
        with time_machine.travel(started + timedelta(days=day)):
            token = refresh(token).json()["refresh_token"]
    with time_machine.travel(started + timedelta(days=29.9)):
        token = refresh(token).json()["refresh_token"]
    with time_machine.travel(started + timedelta(days=30.1)):
        assert refresh(token).status_code == 401


def test_the_end_of_the_session_is_exact(alice: Person) -> None:
    end = timezone.now() + timedelta(seconds=1)
    Session.objects.update(expires_at=end)
    with time_machine.travel(end):
        assert refresh(alice.tokens.refresh_token).json()["code"] == "invalid_refresh_token"


def test_no_token_outlives_the_session(alice: Person) -> None:
    end = timezone.now() + timedelta(seconds=60)
    Session.objects.update(expires_at=end)
    pair = refresh(alice.tokens.refresh_token).json()
    for name in ("access_token", "refresh_token"):
        claims = jwt.decode(pair[name], settings.SECRET_KEY, algorithms=["HS256"], issuer="user-service")
        assert claims["exp"] == int(end.timestamp())


def test_a_token_that_lay_unused_for_a_week_is_dead(alice: Person) -> None:
    with time_machine.travel(timezone.now() + settings.REFRESH_TTL + LEEWAY):
        assert refresh(alice.tokens.refresh_token).json()["code"] == "invalid_refresh_token"


def test_a_token_that_names_another_user_s_session_is_refused(alice: Person, bob: Person) -> None:
    facts = bob.session.refresh_id, timezone.now(), bob.session.refresh_expires_at
    answer = refresh(str(RefreshToken.of(bob.session, alice.user, *facts)))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
    assert refresh(bob.tokens.refresh_token).status_code == 200
    assert refresh(alice.tokens.refresh_token).status_code == 200


def test_it_needs_a_verified_address(unverified: Person) -> None:
    assert unverified.api.get("/users/me").status_code == 200
    answer = refresh(unverified.tokens.refresh_token)
    assert (answer.status_code, answer.json()["code"]) == (403, "email_not_verified")


@pytest.mark.parametrize("end", ["logout", "delete", "deactivate", "change", "reset"])
def test_nothing_is_refreshable_once_the_session_ended(alice: Person, end: str) -> None:
    match end:
        case "logout":
            alice.api.post("/auth/logout")
        case "delete":
            alice.api.delete("/users/me")
        case "deactivate":
            type(alice.user).objects.update(is_active=False)
        case "change" | "reset":
            Session.objects.update(ended_at=timezone.now(), end_reason=Session.EndReason.PASSWORD)
    assert refresh(alice.tokens.refresh_token).json()["code"] == "invalid_refresh_token"
    assert alice.api.get("/users/me").status_code == 401


def test_the_blacklist_records_every_revoked_token_and_holds_none(alice: Person) -> None:
    second = refresh(alice.tokens.refresh_token).json()
    assert revoked() == {alice.tokens.refresh_token_id}
    alice.api.post("/auth/logout")
    assert revoked() == {alice.tokens.refresh_token_id, second["refresh_token_id"]}
    assert set(OutstandingToken.objects.values_list("token", flat=True)) == {""}


def revoked() -> set[str]:
    return set(BlacklistedToken.objects.values_list("token__jti", flat=True))


def test_twenty_at_once_all_succeed_with_one_successor_and_none_after_the_grace(together: Together, db: None) -> None:
    for number in range(20):
        somebody = person(f"user{number}@example.com")
        elsewhere = Api(Api().post("/auth/login", somebody.credentials).json()["access_token"])
        answers = together(lambda _, token=somebody.tokens.refresh_token: refresh(token))
        assert {answer.status_code for answer in answers} == {200}
        (newest,) = {answer.json()["refresh_token"] for answer in answers}
        with time_machine.travel(timezone.now() + GRACE + timedelta(seconds=1)):
            assert set(together(lambda _, token=somebody.tokens.refresh_token: refresh(token).status_code, 4)) == {401}
            assert refresh(newest).status_code == 401
            assert elsewhere.get("/users/me").status_code == 200
        assert AuditEntry.objects.filter(user_id=somebody.user.pk).count() == 1


@pytest.mark.parametrize("end", ["logout", "revocation"])
def test_a_race_with_the_end_of_the_session_leaves_no_token_that_works(together: Together, db: None, end: str) -> None:
    for number in range(20):
        somebody = person(f"user{number}@example.com")

        def act(turn: int, somebody: Person = somebody) -> Any:
            if turn:
                return refresh(somebody.tokens.refresh_token)
            if end == "logout":
                return somebody.api.post("/auth/logout")
            return somebody.api.delete(f"/auth/sessions/{somebody.session.pk}")

        ended, *answers = together(act, 4)
        assert ended.status_code in {200, 204}
        assert {answer.status_code for answer in answers} <= {200, 401}
        assert not Session.objects.live().filter(user=somebody.user).exists()
        pairs = [asdict(somebody.tokens), *(answer.json() for answer in answers if answer.status_code == 200)]
        for token in {pair["access_token"] for pair in pairs}:
            assert Api(token).get("/users/me").status_code == 401
        for token in {pair["refresh_token"] for pair in pairs}:
            assert refresh(token).status_code == 401
