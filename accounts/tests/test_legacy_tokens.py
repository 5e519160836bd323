"""Tokens of the earlier service: after the cut-over nobody is signed out, until a time that the operator sets."""

import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
import time_machine
from django.conf import settings as django_settings
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from accounts.models import AuditEntry, Session, User
from conftest import PASSWORD, Api, Person, Together

LIVES = {"access": timedelta(minutes=15), "refresh": timedelta(days=7)}
NEW = "another horse altogether"


@pytest.fixture(autouse=True)
def until(settings: Any) -> Any:
    settings.LEGACY_TOKENS_UNTIL = timezone.now() + timedelta(days=7)
    return settings


def legacy(user: User, kind: str, **changes: Any) -> str:
    """A token as the earlier service signed it."""
    now = int(time.time())
    claims = {"sub": str(user.pk), "email": user.email, "type": kind, "iat": now, "iss": "user-service"}
    claims |= {"exp": now + int(LIVES[kind].total_seconds()), "jti": str(uuid4())}
    return jwt.encode(claims | changes, django_settings.SECRET_KEY, "HS256")


def refresh(token: str) -> Any:
    return Api().post("/auth/refresh", {"refresh_token": token})


def profile(token: str) -> int:
    status: int = Api(token).get("/users/me").status_code
    return status


def taken() -> list[str]:
    entries = AuditEntry.objects.filter(kind=AuditEntry.Kind.LEGACY_TOKEN_TAKEN)
    return [entry.facts["use"] for entry in entries.order_by("id")]


def test_a_refresh_token_is_exchanged_for_a_session(alice: Person) -> None:
    answer = refresh(legacy(alice.user, "refresh"))
    assert answer.status_code == 200
    assert profile(answer.json()["access_token"]) == 200
    assert refresh(answer.json()["refresh_token"]).status_code == 200
    assert taken() == ["refresh"]


def test_it_is_exchanged_once(alice: Person) -> None:
    jti = uuid4()
    token = legacy(alice.user, "refresh", jti=str(jti))
    first = refresh(token)
    assert BlacklistedToken.objects.filter(token__jti=jti).exists()
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        again = refresh(token)
        assert (again.status_code, again.json()["code"]) == (401, "refresh_token_reused")
        assert profile(first.json()["access_token"]) == 401


def test_of_twenty_exchanges_at_once_one_session_comes(alice: Person, together: Together) -> None:
    for _ in range(3):
        token = legacy(alice.user, "refresh")
        answers = together(lambda _, token=token: refresh(token))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_an_access_token_is_good_until_it_expires(alice: Person) -> None:
    now = timezone.now()
    token = legacy(alice.user, "access")
    with time_machine.travel(now, tick=False) as clock:
        assert [profile(token), profile(token)] == [200, 200]
        clock.shift(timedelta(minutes=16))
        assert profile(token) == 401
    assert taken() == ["access"]


def test_another_service_hears_that_an_unused_one_is_active(alice: Person, until: Any) -> None:
    until.SERVICE_KEYS = [("matching", "the key of matching")]
    matching = Api(**{"X-Service-Key": "the key of matching"})
    token = legacy(alice.user, "access")
    assert matching.post("/auth/introspect", {"token": token}).json()["sub"] == str(alice.user.pk)
    alice.api.post("/auth/logout")
    assert matching.post("/auth/introspect", {"token": token}).json() == {"active": False}


def test_of_twenty_first_calls_at_once_all_are_answered(alice: Person, together: Together) -> None:
    token = legacy(alice.user, "access")
    assert together(lambda _: profile(token)) == [200] * 20
    assert taken() == ["access"]


def test_its_session_is_listed_and_can_be_revoked(alice: Person) -> None:
    api = Api(legacy(alice.user, "access"))
    (current,) = (session for session in api.get("/auth/sessions").json() if session["current"])
    assert alice.api.delete(f"/auth/sessions/{current['id']}").status_code == 204
    assert api.get("/users/me").status_code == 401
    assert refresh(legacy(alice.user, "refresh")).status_code == 401


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.post("/auth/logout"),
        lambda api: api.put("/users/me", {"old_password": PASSWORD, "new_password": NEW}),
    ],
    ids=["logout", "a new password"],
)
@pytest.mark.parametrize("by_legacy", [False, True])
def test_logout_and_a_new_password_end_them_all(alice: Person, call: Any, *, used: bool, by_legacy: bool) -> None:
    access, fresh = legacy(alice.user, "access"), legacy(alice.user, "refresh")
    exchanged = refresh(legacy(alice.user, "refresh")).json()
    if used:
        assert profile(access) == 200
    assert call(Api(access) if by_legacy else alice.api).status_code == 200
    assert [profile(access), profile(exchanged["access_token"])] == [401, 401]
    assert refresh(fresh).json()["code"] == "invalid_refresh_token"


def test_logout_with_one_whose_session_is_over_is_no_error(alice: Person) -> None:
    token = legacy(alice.user, "access")
    assert [Api(token).post("/auth/logout").status_code for _ in range(2)] == [200, 200]


def test_an_unverified_account_has_to_verify_its_address(unverified: Person) -> None:
    assert refresh(legacy(unverified.user, "refresh")).json()["code"] == "email_not_verified"
    assert profile(legacy(unverified.user, "access")) == 200


def test_a_deactivated_or_deleted_account_has_none(alice: Person, bob: Person) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_active=False)
    bob.user.delete()
    bob.user.pk = uuid4()
    for somebody in (alice, bob):
        assert profile(legacy(somebody.user, "access")) == 401
        assert refresh(legacy(somebody.user, "refresh")).status_code == 401


def test_no_refresh_token_is_exchanged_after_the_time(alice: Person, until: Any) -> None:
    until.LEGACY_TOKENS_UNTIL = timezone.now() - timedelta(seconds=1)
    assert refresh(legacy(alice.user, "refresh")).json()["code"] == "invalid_refresh_token"
    assert profile(legacy(alice.user, "access")) == 200  # signed a moment before it
    with time_machine.travel(timezone.now() + timedelta(minutes=15)):
        assert profile(legacy(alice.user, "access")) == 401


def test_they_are_refused_unless_the_operator_sets_a_time(alice: Person, until: Any) -> None:
    until.LEGACY_TOKENS_UNTIL = None
    assert profile(legacy(alice.user, "access")) == 401
    assert refresh(legacy(alice.user, "refresh")).status_code == 401
    assert not Session.objects.exclude(pk=alice.session.pk).exists()


def test_one_with_the_id_of_another_user_s_token_is_refused(alice: Person, bob: Person) -> None:
    jti = str(uuid4())
    answers = [refresh(legacy(person.user, "refresh", jti=jti)) for person in (alice, bob)]
    assert [answer.status_code for answer in answers] == [200, 401]


@pytest.mark.parametrize("changes", [{"iss": "somebody"}, {"exp": 1}, {"jti": "no UUID"}, {"type": "access"}])
def test_a_bad_refresh_token_is_refused(alice: Person, changes: dict[str, Any]) -> None:
    assert refresh(legacy(alice.user, "refresh", **changes)).json()["code"] == "invalid_refresh_token"
