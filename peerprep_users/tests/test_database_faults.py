"""A real server whose database falls silent, is locked, or accepts no writes."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from statistics import quantiles
from typing import Any

import httpx
import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from core.tests.proxies import ForgetfulProxy
from core.tests.servers import free_port, served
from core.tests.waiting import wait_until
from peerprep_users.tests.story import SOLVED, Inbox, inbox

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
LIMIT = 15  # seconds for a request, on a busy machine
HURRIED = {"DJANGO_SETTINGS_MODULE": "peerprep_users.tests.hurried_settings"}
PROBE = 3  # what a liveness probe allows


class Server:
    """A service of two processes, and two people with an account."""

    def __init__(self, base_url: str, box: Inbox, proxy: ForgetfulProxy) -> None:
        self.box, self.proxy = box, proxy
        limits = httpx.Limits(max_connections=None)
        self.http = httpx.Client(base_url=base_url, timeout=60, trust_env=False, limits=limits)
        self.ann, self.ben = self.register("ann@example.com"), self.register("ben@example.com")

    def register(self, email: str) -> str:
        body = {"email": email, "password": PASSWORD, "name": "Somebody"}
        answer = self.http.post("/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, token: str = "", body: Any = None) -> tuple[int, float]:
        """The status and the seconds that it took."""
        began = time.monotonic()
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self.http.request(method, path, json=body, headers={"Connection": "close", **bearer})
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
        return answer.status_code, time.monotonic() - began


@pytest.fixture(scope="module")
def server(fresh_database: str) -> Iterator[Server]:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has neither a network nor row locks")
    smtp_port, proxy = free_port(), ForgetfulProxy(fresh_database)
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(smtp_port), "MAIL_STARTTLS": "false"}
    variables = {"DATABASE_URL": proxy.url, "WEB_CONCURRENCY": "2", **mail, **HURRIED}
    with inbox(smtp_port) as box, served(free_port(), **variables) as base_url:
        service = Server(base_url, box, proxy)
        with psycopg.connect(fresh_database) as other:
            other.execute("UPDATE users SET is_verified = true")
        yield service
        service.http.close()
    proxy.close()


def test_connections_that_fall_silent_are_given_up(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert {status for status, _ in pool.map(lambda _: server.call("GET", "/users/me", server.ann), range(8))} == {
            200
        }
        server.proxy.forget()
        calls = [pool.submit(server.call, "GET", "/users/me", server.ann) for _ in range(4)]
        assert server.call("GET", "/healthz")[1] < PROBE
        answers = [call.result() for call in calls]
        assert {status for status, _ in answers} <= {200, 503}
        assert max(seconds for _, seconds in answers) < LIMIT
    wait_until(lambda: server.call("GET", "/users/me", server.ann)[0] == 200)
    server.register("cleo@example.com")
    wait_until(lambda: any(mail["To"] == "cleo@example.com" for mail in server.box.mails))


@contextmanager
def locked(url: str, statement: str) -> Iterator[None]:
    with psycopg.connect(url) as other:
        other.execute(statement)
        yield
        other.rollback()


def test_a_lock_on_the_row_of_one_user_stops_no_other(server: Server, fresh_database: str) -> None:
    def post(number: int) -> tuple[int, float]:
        return server.call("POST", "/api/v1/attempts/", server.ann, SOLVED)

    def log_in(number: int) -> tuple[int, float]:
        return server.call("POST", "/auth/login", body={"email": "ann@example.com", "password": PASSWORD})

    many = 160  # more than the threads of both processes
    lock = "SELECT * FROM users WHERE email = 'ann@example.com' FOR UPDATE"
    with ThreadPoolExecutor(many + 8) as pool, locked(fresh_database, lock):
        posts = [pool.submit(post, number) for number in range(many)]
        logins = [pool.submit(log_in, number) for number in range(8)]
        wait_until(lambda: is_waited_for(fresh_database))
        others = [server.call("GET", path, server.ben) for path in ["/users/me", "/healthz"] * 20]
        answers = [call.result() for call in posts]
    assert {status for status, _ in others} == {200}
    assert quantiles([seconds for _, seconds in others], n=20)[-1] < 1
    assert {status for status, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) < LIMIT
    assert {login.result()[0] for login in logins} <= {200, 503}
    assert max(login.result()[1] for login in logins) < LIMIT


def is_waited_for(url: str) -> bool:
    with psycopg.connect(url) as other:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return other.execute(waiting).fetchone() is not None


def test_a_lock_on_a_table_does_not_stop_the_liveness_probe(server: Server, fresh_database: str) -> None:
    many = 160  # more than the threads of both processes
    with ThreadPoolExecutor(many) as pool, locked(fresh_database, "LOCK TABLE sessions"):
        calls = [pool.submit(server.call, "GET", "/users/me", server.ben) for _ in range(many)]
        wait_until(lambda: is_waited_for(fresh_database))
        probes = [server.call("GET", "/healthz") for _ in range(5)]
        answers = [call.result() for call in calls]
    assert {status for status, _ in probes} == {200}
    assert max(seconds for _, seconds in probes) < PROBE
    assert {status for status, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) < LIMIT
    wait_until(lambda: server.call("GET", "/users/me", server.ben)[0] == 200)


def test_a_read_only_database_answers_try_later_until_it_accepts_writes(server: Server, fresh_database: str) -> None:
    name = Identifier(str(conninfo_to_dict(fresh_database)["dbname"]))
    with psycopg.connect(fresh_database, autocommit=True) as other:
        other.execute(SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        server.proxy.forget()  # new connections lead to the standby, so to say
        wait_until(lambda: server.call("GET", "/users/me", server.ben)[0] == 200)
        assert {server.call("POST", "/api/v1/attempts/", server.ben, SOLVED)[0] for _ in range(8)} == {503}
        assert {server.call("GET", "/readyz")[0] for _ in range(8)} == {503}
        assert server.call("GET", "/users/me", server.ben)[0] == 200
        other.execute("SET default_transaction_read_only = off")
        other.execute(SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
    wait_until(lambda: server.call("GET", "/readyz")[0] == 200)
    wait_until(lambda: {server.call("POST", "/api/v1/attempts/", server.ben, SOLVED)[0] for _ in range(8)} == {201})


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has many writers at once")
def test_another_writer_of_sqlite_does_not_stop_the_liveness_probe(fresh_database: str) -> None:
    def register(number: int) -> tuple[int, float]:
        began = time.monotonic()
        body = {"email": f"{number}@example.com", "password": PASSWORD}
        return httpx.post(f"{base_url}/auth/register", json=body, timeout=60).status_code, time.monotonic() - began

    with (
        served(free_port(), DATABASE_URL=fresh_database, WEB_CONCURRENCY="1", **HURRIED) as base_url,
        closing(sqlite3.connect(fresh_database.removeprefix("sqlite:///"), isolation_level=None)) as other,
        ThreadPoolExecutor(4) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        calls = [pool.submit(register, number) for number in range(2)]
        began = time.monotonic()
        while not all(call.done() for call in calls):
            asked = time.monotonic()
            assert httpx.get(f"{base_url}/healthz", timeout=60).status_code == 200
            assert time.monotonic() - asked < PROBE
            time.sleep(0.1)
        assert [call.result()[0] for call in calls] == [503, 503]
        assert time.monotonic() - began < LIMIT
