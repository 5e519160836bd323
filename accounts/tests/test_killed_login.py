"""A process that is killed in the middle of a login, on a real server."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from accounts.login_guard import TURN
from conftest import PASSWORD
from core.tests.servers import free_port, served
from core.tests.waiting import wait_until

pytestmark = pytest.mark.any_database

BODY = {"email": "alice@example.com", "password": PASSWORD}
SLOW = {"ARGON2_TIME_COST": "40", "ARGON2_MEMORY_KIB": "16384", "WEB_CONCURRENCY": "1"}


@contextmanager
def watching(url: str) -> Iterator[Callable[[], Any]]:
    """Tells who has the turn of the only address."""
    connect: Any = psycopg.connect if url.startswith("postgres") else sqlite3.connect
    with closing(connect(url.removeprefix("sqlite:///"))) as database:

        def holder() -> Any:
            row = database.execute("SELECT holder FROM login_guards").fetchone()
            return row and row[0]

        yield holder


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_the_account_is_kept_out_no_longer_than_a_turn_lasts(fresh_database: str) -> None:
    with (
        served(free_port(), DATABASE_URL=fresh_database, **SLOW) as url,
        watching(fresh_database) as holder,
        ThreadPoolExecutor() as pool,
    ):

        def log_in() -> httpx.Response:
            return httpx.post(f"{url}/auth/login", json=BODY, timeout=120, trust_env=False)

        def log_in_as_told() -> int:
            """Comes again when it is told to."""
            while (answer := log_in()).status_code == 503:
                time.sleep(int(answer.headers["Retry-After"]))
            return answer.status_code

        assert httpx.post(f"{url}/auth/register", json=BODY, timeout=120, trust_env=False).status_code == 201
        killed = pool.submit(log_in)
        wait_until(holder)
        began, first = time.monotonic(), holder()
        for worker in children(children(os.getpid())[-1]):
            os.kill(worker, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            killed.result(60)
        next_one = pool.submit(log_in_as_told)
        wait_until(lambda: holder() not in {first, None})
        assert time.monotonic() - began < TURN.total_seconds() + 10  # of them for the next worker, on a busy machine
        assert next_one.result(120) == 403  # the right password, and an address that is not verified
        assert holder() is None
