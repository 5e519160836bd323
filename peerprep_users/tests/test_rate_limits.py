"""The limits per client address, counted in the database and in a real Redis."""

import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.test import Client

from conftest import Api, Person, Together
from core import rate_limits, redis_counts
from core.models import RateCount
from core.tests.servers import free_port
from core.tests.services import give_up
from core.tests.waiting import wait_until
from peerprep_users.env import Rate

REDIS = f"redis://127.0.0.1:6379/{8 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:]) % 8}"
LIMITED = {
    "login": {"email": "nobody@example.com", "password": "wrong password"},
    "register": {"email": "nobody@example.com", "password": "password"},
    "forgot-password": {"email": "nobody@example.com"},
    "resend-verification": {"email": "nobody@example.com"},
    "verify-reset-code": {"email": "nobody@example.com", "code": "123456"},
    "refresh": {"refresh_token": "none"},
}


@pytest.fixture
def limits(settings: Any) -> Iterator[Any]:
    """Three calls in ten minutes, of each kind."""
    settings.RATE_LIMIT_ENABLED = True
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, Rate(3, timedelta(minutes=10)))
    settings.REDIS_URL = ""
    redis_counts.redis_client.cache_clear()
    redis_counts.RedisOutage.until = 0.0
    yield settings
    redis_counts.redis_client.cache_clear()
    redis_counts.RedisOutage.until = 0.0


@pytest.fixture
def real_redis() -> Iterator[str]:
    with redis.Redis.from_url(REDIS, socket_connect_timeout=1) as server:
        try:
            server.flushdb()
        except redis.ConnectionError:
            give_up("there is no Redis on its standard port")
        yield REDIS
        server.flushdb()


@pytest.fixture(params=["database", "redis"])
def store(request: pytest.FixtureRequest, limits: Any) -> str:
    if request.param == "redis":
        limits.REDIS_URL = request.getfixturevalue("real_redis")
    return str(request.param)


def call(name: str = "login", **headers: str) -> Any:
    return Api().post(f"/auth/{name}", LIMITED[name], **headers)


def statuses(times: int, name: str = "login", **headers: str) -> list[int]:
    return [call(name, **headers).status_code for _ in range(times)]


@pytest.mark.usefixtures("store", "db")
@pytest.mark.parametrize("name", LIMITED)
def test_each_call_has_its_own_limit(name: str) -> None:
    first = statuses(3, name)
    assert 429 not in first
    assert statuses(2, name) == [429, 429]
    assert 429 not in [call(other).status_code for other in LIMITED if other != name]


@pytest.mark.usefixtures("limits", "db")
def test_the_calls_that_take_a_reset_code_share_a_limit() -> None:
    reset = LIMITED["verify-reset-code"] | {"new_password": "another horse altogether"}
    assert statuses(2, "verify-reset-code") == [401, 401]
    assert [Api().post("/auth/reset-password", reset).status_code for _ in range(2)] == [401, 429]
    assert call("verify-reset-code").status_code == 429


@pytest.mark.usefixtures("store")
def test_a_good_refresh_token_is_never_limited(alice: Person) -> None:
    pair = {"refresh_token": alice.tokens.refresh_token}
    for _ in range(5):
        answer = Api().post("/auth/refresh", pair)
        assert answer.status_code == 200 and "RateLimit-Limit" not in answer.headers
        pair = answer.json()
    assert statuses(2, "refresh") == [401, 401]
    invalid = Api().post("/auth/refresh", {})
    assert (invalid.status_code, invalid.headers["RateLimit-Remaining"]) == (422, "0")
    assert statuses(1, "refresh") == [429]
    assert Api().post("/auth/refresh", {"refresh_token": pair["refresh_token"]}).status_code == 200


@pytest.mark.usefixtures("store", "db")
def test_every_answer_says_what_is_left() -> None:
    answers = [call() for _ in range(4)]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {"3;w=600"}
    assert all(590 <= int(answer.headers["RateLimit-Reset"]) <= 600 for answer in answers)
    assert ["Retry-After" in answer.headers for answer in answers] == [False, False, False, True]
    refused = answers[-1]
    assert 590 <= int(refused.headers["Retry-After"]) <= 600
    assert refused.json() == {"detail": rate_limits.RateLimited.detail, "code": "rate_limited"}


@pytest.mark.usefixtures("store")
def test_no_more_than_the_limit_pass_at_once(together: Together) -> None:
    answers = together(lambda _: call("refresh").status_code, 20)
    assert sorted(answers) == [401] * 3 + [429] * 17


def test_the_window_opens_again(limits: Any, db: None) -> None:
    start = time.time()
    with time_machine.travel(start, tick=False):
        assert statuses(4)[-1] == 429
    with time_machine.travel(start + 599, tick=False):
        assert call().status_code == 429
    with time_machine.travel(start + 600, tick=False):
        assert call().headers["RateLimit-Remaining"] == "2"


def test_the_window_opens_again_in_redis(limits: Any, real_redis: str, db: None) -> None:
    limits.REDIS_URL = real_redis
    limits.RATE_LIMITS = {"refresh": Rate(1, timedelta(minutes=10))}
    assert statuses(2, "refresh") == [401, 429]
    with redis.Redis.from_url(real_redis) as server:
        [key] = server.keys()
        assert 590 < server.ttl(key) <= 600
        server.expire(key, 60)  # nine minutes later
        assert call("refresh").status_code == 429
        assert server.ttl(key) <= 60  # this knock has not made it longer
        server.pexpire(key, 1)
        wait_until(lambda: not server.exists(key))
    assert call("refresh").status_code == 401


@pytest.mark.usefixtures("store", "db")
def test_what_a_caller_forwards_for_themselves_changes_nothing() -> None:
    rotated = [call(**{"X-Forwarded-For": f"203.0.113.{number}"}).status_code for number in range(4)]
    assert rotated[-1] == 429


def test_behind_a_proxy_the_address_that_it_saw_counts(limits: Any, db: None) -> None:
    limits.TRUSTED_PROXY_COUNT = 1
    rotated = [
        call("refresh", **{"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.7"}).status_code for number in range(4)
    ]
    assert rotated == [401, 401, 401, 429]
    assert call("refresh", **{"X-Forwarded-For": "198.51.100.7, 198.51.100.8"}).status_code == 401


def test_an_ipv6_network_counts_as_one_client(limits: Any, db: None) -> None:
    limits.TRUSTED_PROXY_COUNT = 1
    of_one_network = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:0db8:0001:0002:aaaa:bbbb:cccc:dddd"]
    for address in of_one_network:
        assert call("refresh", **{"X-Forwarded-For": address}).status_code == 401
    assert call("refresh", **{"X-Forwarded-For": "2001:db8:1:2::4"}).status_code == 429
    assert call("refresh", **{"X-Forwarded-For": "2001:db8:1:3::1"}).status_code == 401


def test_an_ipv4_address_written_as_ipv6_is_the_same_client(limits: Any, db: None) -> None:
    limits.TRUSTED_PROXY_COUNT = 1
    for address in ("198.51.100.7", "::ffff:198.51.100.7", "198.51.100.7"):
        call("refresh", **{"X-Forwarded-For": address})
    assert call("refresh", **{"X-Forwarded-For": "::ffff:198.51.100.7"}).status_code == 429


def test_input_that_does_not_validate_counts_too(limits: Any, db: None) -> None:
    answers = [Api().post("/auth/login", body).status_code for body in (None, {}, b"{", LIMITED["login"])]
    assert answers == [422, 422, 422, 429]


def test_it_can_be_switched_off(limits: Any, db: None) -> None:
    limits.RATE_LIMIT_ENABLED = False
    answers = [call("refresh") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {401}
    assert "RateLimit-Limit" not in answers[0].headers
    assert not RateCount.objects.exists()


def test_calls_without_a_limit_are_not_counted(limits: Any, alice: Person) -> None:
    answers = [alice.api.get("/users/me"), Api().get("/healthz")]
    assert all("RateLimit-Limit" not in answer.headers for answer in answers)
    assert not RateCount.objects.exists()


def test_the_admin_sites_login_shares_the_limit_of_login(limits: Any, db: None) -> None:
    assert statuses(2) == [401, 401]
    form = {"username": "somebody@example.com", "password": "wrong password"}
    shown, refused = (Client().post("/admin/login/", form) for _ in range(2))
    assert (shown.status_code, shown.headers["RateLimit-Remaining"]) == (200, "0")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert Client().get("/admin/login/").status_code == 200


def test_the_page_of_the_mails_link_shares_the_limit_of_resending(limits: Any, db: None) -> None:
    assert statuses(3, "resend-verification") == [200] * 3
    answer = Client().post("/verify-email", {"email": "nobody@example.com"})
    assert answer.status_code == 429 and "Try again later" in answer.content.decode()
    assert 590 <= int(answer.headers["Retry-After"]) <= 600


class TestWithoutItsRedis:
    def test_the_database_counts(self, limits: Any, db: None) -> None:
        limits.REDIS_URL = f"redis://:hidden@127.0.0.1:{free_port()}/0"
        assert statuses(4) == [401, 401, 401, 429]

    def test_one_that_does_not_answer_holds_nothing_up(self, limits: Any, db: None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            limits.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
            silent.setblocking(False)
            assert statuses(4, "refresh") == [401, 401, 401, 429]
            silent.accept()[0].close()
            with pytest.raises(BlockingIOError):  # only the first call has waited for it
                silent.accept()

    def test_it_is_asked_again_after_a_while(self, limits: Any, real_redis: str, db: None) -> None:
        limits.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
        call("refresh")
        limits.REDIS_URL = real_redis
        redis_counts.redis_client.cache_clear()
        call("refresh")
        assert RateCount.objects.get().count == 2
        redis_counts.RedisOutage.until = time.monotonic()
        assert call("refresh").headers["RateLimit-Remaining"] == "2"
        assert RateCount.objects.get().count == 2

    def test_the_log_tells_it_without_the_password(
        self, limits: Any, db: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        limits.REDIS_URL = f"redis://:hidden@127.0.0.1:{free_port()}/0"
        call("refresh")
        assert "Redis does not answer" in caplog.text and "hidden" not in caplog.text
