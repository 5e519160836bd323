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
from core.tests.waiting import wait_until
from peerprep_users.tests.story import Inbox, Newcomer, inbox

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="PgBouncer is for PostgreSQL")


@pytest.fixture(scope="module")
def pooled(fresh_database: str) -> Iterator[str]:
    with pgbouncer(fresh_database) as pooler:
        yield pooler.url


@pytest.fixture(scope="module")
def service(pooled: str) -> Iterator[tuple[str, Inbox]]:
    """The base URL, and where its mail arrives."""
    port = free_port()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), "MAIL_STARTTLS": "false"}
    hurried = {"DJANGO_SETTINGS_MODULE": "peerprep_users.tests.hurried_settings"}
    with (
        inbox(port) as box,
        served(free_port(), DATABASE_URL=pooled, WEB_CONCURRENCY="1", **mail, **hurried) as base_url,
    ):
        yield base_url, box


def test_a_newcomer_notices_nothing(service: tuple[str, Inbox]) -> None:
    newcomer = Newcomer(*service)
    for chapter in newcomer.chapters():
        chapter()
    newcomer.http.close()


def test_a_call_that_comes_again_and_again_is_answered(service: tuple[str, Inbox]) -> None:
    """No statement is prepared: the next one may meet a connection that does not know it."""
    body = {"email": "kim@example.com", "password": "correct horse battery"}
    with httpx.Client(base_url=service[0], trust_env=False, timeout=30) as client:
        token = client.post("/auth/register", json=body).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        assert {client.get("/users/me").status_code for _ in range(30)} == {200}


COMMANDS = """
import django
from django.core.management import call_command
django.setup()
for command in ["migrate"], ["audit", "verify"], ["stats", "verify"], ["purge_expired"]:
    call_command(*command)
"""


def test_commands_work(pooled: str) -> None:
    """One after the other in one process: each has a transaction of its own."""
    environment = {**os.environ, "DATABASE_URL": pooled}
    command = [sys.executable, "-c", COMMANDS]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT%users%'
"""


def test_a_statement_that_waits_for_a_lock_ends(service: tuple[str, Inbox], fresh_database: str) -> None:
    """PgBouncer passes the cancellation on, so the statement is not left behind in the database either."""
    body = {"email": "pat@example.com", "password": "correct horse battery", "name": "Pat"}
    with psycopg.connect(fresh_database) as other, psycopg.connect(fresh_database, autocommit=True) as watcher:
        other.execute("LOCK TABLE users IN SHARE MODE")
        began = time.monotonic()
        answer = httpx.post(f"{service[0]}/auth/register", json=body, timeout=60, trust_env=False)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert time.monotonic() - began < 30
        wait_until(lambda: watcher.execute(WAITING).fetchone() == (0,))
