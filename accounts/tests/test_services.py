"""What other services ask on the internal network, with a key."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings as configured
from django.core.management import call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.models import Revocation, Role
from conftest import PASSWORD, Api, Person

KEYS = [("matching", "the key of matching, old"), ("matching", "the key of matching, new"), ("questions", "another")]
NOBODY = "00000000-0000-4000-8000-000000000000"
INTERNAL = [("POST", "/auth/introspect", {"token": "x"}), ("GET", "/internal/revocations", None)]


@pytest.fixture
def matching(settings: Any, db: None) -> Api:
    settings.SERVICE_KEYS = KEYS
    return Api(**{"X-Service-Key": KEYS[0][1]})


def revocations(service: Api, since: str = "") -> Any:
    answer = service.get(f"/internal/revocations{since and f'?since={since}'}")
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize("call", INTERNAL, ids=lambda call: call[1])
class TestKey:
    def test_each_of_several_is_good(self, matching: Api, call: tuple[str, str, Any]) -> None:
        for _, key in KEYS:
            assert matching(*call, **{"X-Service-Key": key}).status_code == 200

    @pytest.mark.parametrize("key", ["", "the key of matching", "the key of matching, old ", "ключ"])
    def test_no_other_is(self, matching: Api, call: tuple[str, str, Any], key: str) -> None:
        answer = matching(*call, **{"X-Service-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_service_key")

    def test_none_is_good_where_none_is_set(self, db: None, call: tuple[str, str, Any]) -> None:
        assert Api(**{"X-Service-Key": ""})(*call).status_code == 401

    def test_a_user_is_no_service(self, alice: Person, call: tuple[str, str, Any]) -> None:
        assert alice.api(*call).json() == {
            "detail": "This call needs a valid X-Service-Key.",
            "code": "invalid_service_key",
        }

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
    def test_nothing_is_there_behind_a_proxy(self, matching: Api, call: tuple[str, str, Any], header: str) -> None:
        assert matching(*call, **{header: "203.0.113.7"}).status_code == 404

    def test_the_name_of_the_service_is_logged(
        self, matching: Api, call: tuple[str, str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        matching(*call)
        assert [
            record.__dict__["service"] for record in caplog.records if record.name == "peerprep_users.requests"
        ] == ["matching"]


def test_introspection_tells_of_a_live_token(
    matching: Api, alice: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        answer = matching.post("/auth/introspect", {"token": alice.tokens.access_token})
    known = answer.json()
    assert known == {
        "active": True,
        "sub": str(alice.user.pk),
        "sid": str(alice.session.pk),
        "role": "USER",
        "exp": known["exp"],
    }
    assert abs(known["exp"] - timezone.now().timestamp() - configured.ACCESS_TTL.total_seconds()) < 60


def test_introspection_tells_nothing_of_any_other(matching: Api, alice: Person, bob: Person) -> None:
    ended = bob.tokens.access_token
    bob.api.post("/auth/logout")
    for token in ("x", alice.tokens.refresh_token, ended):
        assert matching.post("/auth/introspect", {"token": token}).json() == {"active": False}


def test_nor_does_it_of_users_who_are_deactivated_or_gone(matching: Api, alice: Person, bob: Person) -> None:
    administration.deactivate(user=alice.user, by=Actor.operator(), reason="a test")
    bob.api.delete("/users/me")
    for one in (alice, bob):
        assert matching.post("/auth/introspect", {"token": one.tokens.access_token}).json() == {"active": False}


def test_introspection_tells_the_role_of_now(matching: Api, alice: Person) -> None:
    administration.set_role(user=alice.user, role=Role.ADMIN, by=Actor.operator(), reason="a test")
    assert matching.post("/auth/introspect", {"token": alice.tokens.access_token}).json()["role"] == "ADMIN"


def test_a_session_that_ends_is_told_with_its_reason(matching: Api, alice: Person) -> None:
    assert revocations(matching)["events"] == []
    alice.api.post("/auth/logout")
    (event,) = revocations(matching)["events"]
    assert event == {
        "sid": str(alice.session.pk),
        "user_id": str(alice.user.pk),
        "reason": "logout",
        "at": event["at"],
    }


def test_so_are_the_sessions_of_a_deleted_account(matching: Api, alice: Person) -> None:
    alice.api("DELETE", "/users/me")
    (event,) = revocations(matching)["events"]
    assert (event["sid"], event["reason"]) == (str(alice.session.pk), "deleted")


def test_a_change_of_password_tells_of_the_others_alone(matching: Api, alice: Person) -> None:
    alice.api.post("/auth/login", alice.credentials)
    alice.api("PATCH", "/users/me", {"old_password": PASSWORD, "new_password": "another horse altogether"})
    (event,) = revocations(matching)["events"]
    assert event["sid"] != str(alice.session.pk)
    assert event["reason"] == "password"


def test_following_the_cursor_tells_each_and_leaves_out_none(matching: Api, alice: Person, bob: Person) -> None:
    """Also one whose transaction began before the first call and is committed after it."""
    began = timezone.now()
    with time_machine.travel(began, tick=False) as clock:
        alice.api.post("/auth/logout")
        clock.shift(timedelta(seconds=10))
        first = revocations(matching)
        Revocation.objects.create(session_id=uuid4(), user_id=uuid4(), reason="late", at=began + timedelta(seconds=5))
        clock.shift(timedelta(seconds=10))
        bob.api.post("/auth/logout")
        second = revocations(matching, first["next"])
        assert [event["reason"] for event in second["events"]] == ["logout", "late", "logout"]
        clock.shift(timedelta(seconds=60))
        third = revocations(matching, second["next"])
        assert int(first["next"]) < int(second["next"]) < int(third["next"])
        assert revocations(matching, third["next"])["events"] == []


@pytest.mark.slow
def test_a_page_that_is_full_leads_on(matching: Api) -> None:
    now = timezone.now()
    Revocation.objects.bulk_create(
        Revocation(session_id=uuid4(), user_id=uuid4(), reason="logout", at=now - timedelta(seconds=60 - number / 500))
        for number in range(10_001)
    )
    first = revocations(matching)
    assert len(first["events"]) == 10_000
    assert len(revocations(matching, first["next"])["events"]) == 2


@pytest.mark.slow
def test_nor_does_a_full_page_leave_out_one_that_is_committed_late(matching: Api) -> None:
    now = timezone.now()
    Revocation.objects.bulk_create(
        Revocation(session_id=uuid4(), user_id=uuid4(), reason="logout", at=now) for _ in range(10_000)
    )
    first = revocations(matching)
    Revocation.objects.create(session_id=uuid4(), user_id=uuid4(), reason="late", at=now - timedelta(seconds=5))
    assert revocations(matching, first["next"])["events"][0]["reason"] == "late"


@pytest.mark.slow
def test_they_are_kept_as_long_as_an_access_token_lives(matching: Api, alice: Person) -> None:
    alice.api.post("/auth/logout")
    for minutes, count in ((15, 1), (17, 0)):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
            call_command("purge_expired", verbosity=0)
            assert Revocation.objects.count() == count


@pytest.mark.parametrize("since", ["x", "-1", "1" * 18, "1.5"])
def test_a_cursor_that_is_none_is_refused(matching: Api, since: str) -> None:
    assert matching.get(f"/internal/revocations?since={since}").status_code == 422


def test_names_are_told_in_the_order_of_the_ids(matching: Api, alice: Person, bob: Person) -> None:
    gone = str(uuid4())
    ids = [str(bob.user.pk), gone, str(alice.user.pk)]
    told = [{"id": ids[0], "name": "Bob"}, {"id": gone, "deleted": True}, {"id": ids[2], "name": "Alice"}]
    for caller in (matching, alice.api):
        answer = caller.get(f"/users?ids={','.join([*ids, ids[0]])}")
        assert (answer.status_code, answer.json()) == (200, told)


def test_a_hundred_names_take_one_query_more(alice: Person, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(2):
        answer = alice.api.get(f"/users?ids={','.join(str(uuid4()) for _ in range(100))}")
    assert len(answer.json()) == 100


@pytest.mark.parametrize("ids", ["x", ",", f"{NOBODY},", ",".join([NOBODY] * 101), NOBODY.replace("-", "")])
def test_names_of_anything_else_are_refused(alice: Person, ids: str) -> None:
    answer = alice.api.get(f"/users?ids={ids}")
    assert (answer.status_code, answer.json()["detail"][0]["msg"]) == (
        422,
        "ids must be 1 to 100 UUIDs, separated by commas.",
    )


@pytest.mark.parametrize("query", ["", "?ids="])
def test_names_of_none_are_refused(alice: Person, query: str) -> None:
    assert alice.api.get(f"/users{query}").status_code == 422


def test_an_id_is_the_same_in_capitals(alice: Person) -> None:
    ids = str(alice.user.pk).upper(), str(alice.user.pk)
    assert alice.api.get(f"/users?ids={','.join(ids)}").json() == [{"id": ids[1], "name": "Alice"}]


def test_a_key_tells_no_names_behind_a_proxy(matching: Api) -> None:
    assert matching.get(f"/users?ids={uuid4()}", **{"X-Forwarded-For": "203.0.113.7"}).status_code == 401


def test_a_stranger_is_told_no_names(api: Api, db: None) -> None:
    assert api.get(f"/users?ids={uuid4()}").status_code == 401
