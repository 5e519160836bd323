"""Logging out."""

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from accounts.audit.log import NO_CLIENT
from accounts.flows.sessions import SESSIONS_PER_USER, start_session
from accounts.models import Session, User
from accounts.tokens.jwt import LEEWAY
from conftest import Api, Person

ENDS = ["logout", "revoked", "deactivated", "deleted", "expired"]


def end(alice: Person, how: str) -> None:
    match how:
        case "logout":
            alice.api.post("/auth/logout")
        case "revoked":
            alice.api.delete(f"/auth/sessions/{alice.session.pk}")
        case "deactivated":
            User.objects.update(is_active=False)
        case "deleted":
            alice.api.delete("/users/me")
        case "expired":
            Session.objects.filter(pk=alice.session.pk).update(expires_at=timezone.now())


def test_it_ends_every_session_at_once(api: Api, alice: Person, bob: Person) -> None:
    other = Api(api.post("/auth/login", alice.credentials).json()["access_token"])
    answer = alice.api.post("/auth/logout")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "message": "Logged out successfully"})
    assert [one.get("/users/me").status_code for one in (alice.api, other, bob.api)] == [401, 401, 200]
    assert set(Session.objects.filter(user=alice.user).values_list("end_reason", flat=True)) == {
        Session.EndReason.LOGOUT
    }


def test_ending_many_sessions_takes_no_statement_more(alice: Person, bob: Person) -> None:
    for _ in range(SESSIONS_PER_USER - 1):
        start_session(alice.user, NO_CLIENT)
    statements = []
    for one in (bob, alice):
        with CaptureQueriesContext(connection) as queries:
            assert one.api.post("/auth/logout").status_code == 200
        statements.append(len(queries))
    assert statements[0] == statements[1]
    assert BlacklistedToken.objects.count() == 1 + SESSIONS_PER_USER


@pytest.mark.parametrize("how", ENDS)
def test_it_succeeds_also_where_the_session_is_over(alice: Person, how: str) -> None:
    end(alice, how)
    answer = alice.api.post("/auth/logout")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "message": "Logged out successfully"})
    refused = alice.api.get("/users/me")
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")


def test_a_session_that_is_over_ends_no_other(api: Api, alice: Person) -> None:
    other = api.post("/auth/login", alice.credentials).json()
    end(alice, "revoked")
    assert alice.api.post("/auth/logout").status_code == 200
    assert Api(other["access_token"]).get("/users/me").status_code == 200


def test_an_expired_token_is_refused_whatever_its_session(alice: Person) -> None:
    end(alice, "revoked")
    with time_machine.travel(timezone.now() + settings.ACCESS_TTL + LEEWAY + timedelta(seconds=1)):
        assert alice.api.post("/auth/logout").status_code == 401


def test_it_needs_a_token(api: Api, db: None) -> None:
    answer = api.post("/auth/logout")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
