"""The database fails under load: nothing that was acknowledged is lost, and the rest is told to come again."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from os import environ
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from core.tests.proxies import PgBouncer, pgbouncer
from core.tests.servers import ROOT
from core.tests.waiting import PATIENCE, wait_until
from tests.faults.load import Load
from tests.faults.neighbours import PostgreSQL, Proxy
from tests.faults.service import Service, serving

pytestmark = pytest.mark.slow
long = pytest.mark.faults

FAULTS: dict[str, Callable[[PostgreSQL, str], AbstractContextManager[None]]] = {
    "restarted": lambda server, _: server.stopped("fast"),
    "crashed": lambda server, _: server.stopped("immediate"),
    "frozen": lambda server, _: server.frozen(),
    "read-only": lambda server, _: server.read_only(),
    "full": lambda server, _: server.full(),
    "mails locked": lambda server, url: server.locked(url, "LOCK TABLE mails"),
    "sessions locked": lambda server, url: server.locked(url, "LOCK TABLE sessions"),
}


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [("crashed", 0.2), *[pytest.param(name, 10, marks=long) for name in FAULTS]],
)
def test_nothing_acknowledged_is_lost(
    postgresql: PostgreSQL, database: str, load: Load, verify: Callable[..., None], fault: str, seconds: float
) -> None:
    with load:
        time.sleep(1)
        with load.fault(), FAULTS[fault](postgresql, database):
            time.sleep(seconds)
        time.sleep(1 if seconds < 1 else 7)
    verify(load)


@long
def test_connections_that_go_silent_are_given_up(
    postgresql: PostgreSQL, database: str, tmp_path: Path, verify: Callable[..., None]
) -> None:
    with Proxy(postgresql.port) as proxy:
        through_proxy = database.replace(str(postgresql.port), str(proxy.port))
        with serving(tmp_path / "log", through_proxy) as service:
            with Load(service, database) as load:
                time.sleep(1)
                with load.fault():
                    for _ in range(4):
                        proxy.forget()
                        time.sleep(3)
                time.sleep(7)
            verify(load)


@long
@pytest.mark.parametrize("broken", ["the pooler", "the database behind it"])
def test_nothing_acknowledged_is_lost_behind_pgbouncer(
    postgresql: PostgreSQL, database: str, tmp_path: Path, verify: Callable[..., None], broken: str
) -> None:
    with pgbouncer(database) as pooler, serving(tmp_path / "log", pooler.url) as service:
        with Load(service, database) as load:
            time.sleep(1)
            with load.fault():
                for _ in range(3):
                    with stopped(pooler) if broken == "the pooler" else postgresql.stopped("fast"):
                        time.sleep(1)
                    time.sleep(2)
            time.sleep(7)
        verify(load)


@contextmanager
def stopped(pooler: PgBouncer) -> Iterator[None]:
    pooler.kill()
    yield
    pooler.start()


@long
def test_one_user_whose_row_is_locked_keeps_no_other_waiting(
    postgresql: PostgreSQL, database: str, service: Service, load: Load
) -> None:
    alice, bob = load.callers[:2]
    attempt = {"question_id": 1, "language": "python", "submitted_code": "", "passed_tests": 0, "total_tests": 1}
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"

    def get(path: str) -> float:
        began = time.monotonic()
        with httpx.Client(base_url=service.url, timeout=PATIENCE, trust_env=False) as http:
            assert http.get(path, headers=bob.sessions[0].bearer).status_code == 200
        return time.monotonic() - began

    def post(_: int) -> int:
        return load.http.post("/api/v1/attempts/", json=attempt, headers=alice.sessions[0].bearer).status_code

    with closing(load.http), ThreadPoolExecutor(16) as pool, psycopg.connect(database, autocommit=True) as watcher:
        with postgresql.locked(database, f"SELECT FROM users WHERE email = '{alice.email}' FOR UPDATE"):
            posted = [pool.submit(post, number) for number in range(16)]
            wait_until(lambda: watcher.execute(waiting, [urlsplit(database).path[1:]]).rowcount, "none waits")
            slowest = max(get(path) for path in ["/healthz", "/users/me"] * 8)
        assert {each.result() for each in posted} <= {201, 503}
    assert slowest < 4  # as long as the lock lasts, or a statement may take


@long
def test_four_may_migrate_at_once(postgresql: PostgreSQL) -> None:
    command = [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"]
    with postgresql.database("template1") as url:
        variables = {**environ, "DATABASE_URL": url}
        migrating = [subprocess.Popen(command, cwd=ROOT, env=variables) for _ in range(4)]
        assert [process.wait(PATIENCE) for process in migrating] == [0] * 4
