"""Bearer authentication."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
import time_machine
from django.conf import settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.authentication import live_session
from accounts.models import Session, User
from accounts.tokens.jwt import AccessToken, verification_token
from conftest import Api, Person


def signed(alice: Person, key: str = settings.SECRET_KEY, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """Alice's access token, with some claims changed (None takes one away)."""
    claims = jwt.decode(alice.tokens.access_token, settings.SECRET_KEY, algorithms=["HS256"], issuer="user-service")
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return forge({"alg": "HS256", "typ": "JWT", **(headers or {})}, claims, key)


def forge(header: dict[str, Any], claims: Any, key: str) -> str:
    parts: list[bytes] = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(b".".join(parts), key.encode())
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_a_forged_token_is_told_by_what_is_wrong_with_it_alone(alice: Person) -> None:
    assert Api(signed(alice)).get("/users/me").status_code == 200


def test_the_session_and_its_user_are_those_that_the_models_read(alice: Person) -> None:
    read = live_session(AccessToken.read(alice.tokens.access_token), timezone.now())
    assert read
    expected = Session.objects.select_related("user").get(pk=read.pk)
    for mine, other in ((read, expected), (read.user, expected.user)):
        assert [getattr(mine, field.attname) for field in mine._meta.concrete_fields] == [
            getattr(other, field.attname) for field in other._meta.concrete_fields
        ]
        assert not mine._state.adding


BAD: dict[str, Callable[[Person], str]] = {
    "another key": lambda alice: signed(alice, key="k" * 40),
    "alg none": lambda alice: signed(alice, headers={"alg": "none"}),
    "alg NoNe, unsigned": lambda alice: signed(alice, headers={"alg": "NoNe"}).rpartition(".")[0] + ".",
    "another algorithm": lambda alice: signed(alice, headers={"alg": "HS512"}),
    "an asymmetric algorithm": lambda alice: signed(alice, headers={"alg": "RS256"}),
    "alg missing": lambda alice: signed(alice, headers={"alg": None}),
    "alg a list": lambda alice: signed(alice, headers={"alg": ["HS256"]}),
    "crit": lambda alice: signed(alice, headers={"crit": ["exp"]}),
    "refresh token": lambda alice: alice.tokens.refresh_token,
    "verification token": lambda alice: verification_token(alice.user),
    "type missing": lambda alice: signed(alice, type=None),
    "expired": lambda alice: signed(alice, exp=1),
    "no exp": lambda alice: signed(alice, exp=None),
    "exp a string": lambda alice: signed(alice, exp="soon"),
    "exp infinite": lambda alice: signed(alice, exp=float("inf")),
    "issued in the future": lambda alice: signed(alice, iat=2**33),
    "not yet valid": lambda alice: signed(alice, nbf=2**33),
    "another issuer": lambda alice: signed(alice, iss="somebody"),
    "no issuer": lambda alice: signed(alice, iss=None),
    "no sub": lambda alice: signed(alice, sub=None),
    "sub an integer": lambda alice: signed(alice, sub=1),
    "sub no UUID": lambda alice: signed(alice, sub="alice"),
    "sub a list": lambda alice: signed(alice, sub=[str(alice.user.pk)]),
    "sub of nobody": lambda alice: signed(alice, sub=str(uuid4())),
    "no sid": lambda alice: signed(alice, sid=None),
    "sid no UUID": lambda alice: signed(alice, sid="' OR 1=1 --"),
    "sid of nothing": lambda alice: signed(alice, sid=str(uuid4())),
    "no jti": lambda alice: signed(alice, jti=None),
    "claims a list": lambda alice: forge({"alg": "HS256"}, [1], settings.SECRET_KEY),
    "8 KiB of garbage": lambda alice: "x" * 8192,
    "deep JSON": lambda alice: base64.urlsafe_b64encode(b"[" * 6000).decode() + ".e30.e30",
    "non-ASCII": lambda alice: "\xe9" * 20,
    "six parts": lambda alice: alice.tokens.access_token + ".a.b.c",
    "one part": lambda alice: "abc",
    "nothing": lambda alice: "",
    "two tokens": lambda alice: f"{alice.tokens.access_token} {alice.tokens.access_token}",
}


@pytest.mark.any_database
@pytest.mark.parametrize("case", BAD)
def test_it_refuses(alice: Person, case: str) -> None:
    answer = Api().get("/users/me", Authorization=f"Bearer {BAD[case](alice)}")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.any_database
@pytest.mark.parametrize("case", [case for case in BAD if case != "refresh token"])
def test_a_refresh_refuses_the_same(alice: Person, case: str) -> None:
    answer = Api().post("/auth/refresh", {"refresh_token": BAD[case](alice) or "-"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")


def test_a_refresh_refuses_an_access_token(alice: Person) -> None:
    answer = Api().post("/auth/refresh", {"refresh_token": alice.tokens.access_token})
    assert answer.json()["code"] == "invalid_refresh_token"


@pytest.mark.any_database
@pytest.mark.parametrize("case", BAD)
def test_a_logout_refuses_the_same_but_for_a_session_that_is_over(alice: Person, case: str) -> None:
    answer = Api().post("/auth/logout", Authorization=f"Bearer {BAD[case](alice)}")
    assert answer.status_code == (200 if case in {"sub of nobody", "sid of nothing"} else 401)
    assert alice.api.get("/users/me").status_code == 200


def test_it_refuses_the_session_of_somebody_else(alice: Person, bob: Person) -> None:
    assert Api(signed(alice, sid=str(bob.session.pk))).get("/users/me").status_code == 401


def test_it_refuses_a_deleted_user(alice: Person) -> None:
    User.objects.all().delete()
    assert alice.api.get("/users/me").status_code == 401


def test_it_refuses_a_deactivated_user(alice: Person) -> None:
    User.objects.update(is_active=False)
    assert alice.api.get("/users/me").status_code == 401


def test_a_token_lives_fifteen_minutes_and_clocks_may_differ_by_ten_seconds(alice: Person) -> None:
    issued = timezone.now()
    for seconds, status in [(-11, 401), (-9, 200), (15 * 60 + 8, 200), (15 * 60 + 10, 401)]:
        with time_machine.travel(issued + timedelta(seconds=seconds), tick=False):
            assert alice.api.get("/users/me").status_code == status


def test_a_token_may_be_valid_in_ten_seconds(alice: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False):
        now = int(timezone.now().timestamp())
        for seconds, status in [(10, 200), (11, 401)]:
            assert Api(signed(alice, nbf=now + seconds)).get("/users/me").status_code == status


def test_a_login_is_good_at_once_at_a_replica_whose_clock_is_behind(api: Api, alice: Person) -> None:
    now = timezone.now()
    with time_machine.travel(now + timedelta(seconds=5), tick=False):
        pair = api.post("/auth/login", alice.credentials).json()
    with time_machine.travel(now, tick=False):
        assert Api(pair["access_token"]).get("/users/me").status_code == 200
        next_pair = api.post("/auth/refresh", {"refresh_token": pair["refresh_token"]})
    assert next_pair.status_code == 200
    with time_machine.travel(now + timedelta(seconds=5), tick=False):
        assert Api(next_pair.json()["access_token"]).get("/users/me").status_code == 200


@pytest.mark.parametrize("header", ["Basic YTpi", "Token x", "{token}", "Bearer", "Bearer{token}", "  "])
def test_it_refuses_any_other_header(alice: Person, header: str) -> None:
    answer = Api().get("/users/me", Authorization=header.format(token=alice.tokens.access_token))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
def test_it_takes_the_scheme_in_any_case(alice: Person, scheme: str) -> None:
    assert Api().get("/users/me", Authorization=f"{scheme} {alice.tokens.access_token}").status_code == 200


def test_it_costs_one_query(alice: Person, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        assert alice.api.get("/users/me").status_code == 200


def test_it_notes_the_last_use_every_five_minutes(
    alice: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    later = timezone.now() + timedelta(minutes=6)
    with time_machine.travel(later, tick=False):
        with django_assert_num_queries(2):
            alice.api.get("/users/me")
        with django_assert_num_queries(1):
            alice.api.get("/users/me")
    assert Session.objects.get().last_used_at == later
