"""The service behind a real PgBouncer in transaction mode."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from django.db import connection

from core.tests.proxies import pgbouncer
from core.tests.servers import ROOT, free_port, served
from peerprep_users.tests.story import Newcomer, inbox

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="PgBouncer is for PostgreSQL")


@pytest.fixture(scope="module")
def pooled(fresh_database: str) -> Iterator[str]:
    with pgbouncer(fresh_database) as pooler:
        yield pooler.url


def test_a_newcomer_notices_nothing(pooled: str) -> None:
    smtp_port = free_port()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(smtp_port), "MAIL_STARTTLS": "false"}
    with inbox(smtp_port) as box, served(free_port(), DATABASE_URL=pooled, **mail) as base_url:
        newcomer = Newcomer(base_url, box)
        for chapter in newcomer.chapters():
            chapter()
        newcomer.http.close()


def test_a_call_that_comes_again_and_again_is_answered(pooled: str) -> None:
    """No statement is prepared: the next one may meet a connection that does not know it."""
    body = {"email": "kim@example.com", "password": "correct horse battery"}
    with (
        served(free_port(), DATABASE_URL=pooled, WEB_CONCURRENCY="1", BACKGROUND_JOBS="false") as base_url,
        httpx.Client(base_url=base_url, trust_env=False, timeout=30) as client,
    ):
        token = client.post("/auth/register", json=body).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        assert {client.get("/users/me").status_code for _ in range(30)} == {200}


@pytest.mark.parametrize("command", [["migrate"], ["audit", "verify"], ["stats", "verify"], ["purge_expired"]])
def test_commands_work(pooled: str, command: list[str]) -> None:
    environment = {**os.environ, "DATABASE_URL": pooled}
    done = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_statement_that_waits_for_a_lock_ends(pooled: str, fresh_database: str) -> None:
    """PgBouncer passes the cancellation on, so the statement is not left behind in the database either."""
    body = {"email": "pat@example.com", "password": "correct horse battery", "name": "Pat"}
    with (
        served(free_port(), DATABASE_URL=pooled, BACKGROUND_JOBS="false") as base_url,
        psycopg.connect(fresh_database) as other,
    ):
        other.execute("LOCK TABLE users")
        began = time.monotonic()
        answer = httpx.post(f"{base_url}/auth/register", json=body, timeout=60, trust_env=False)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert time.monotonic() - began < 30
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass"
        assert other.execute(waiting).fetchone() == (0,)
