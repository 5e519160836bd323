"""Many logins at once against the running server: each is answered, and other calls go on."""

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest

from accounts.hashing import HASHES
from conftest import PASSWORD
from core.concurrency import REQUEST_SLOTS
from core.tests.servers import free_port, served

pytestmark = pytest.mark.any_database

LOGINS = HASHES * 3 // 2  # half as many again as a process takes at once
SLOW = {"ARGON2_TIME_COST": "20", "ARGON2_MEMORY_KIB": "16384", "WEB_CONCURRENCY": "1", "ARGON2_CONCURRENCY": "2"}


def test_other_calls_go_on(fresh_database: str) -> None:
    with served(free_port(), DATABASE_URL=fresh_database, **SLOW) as url:
        body = {"email": "alice@example.com", "password": PASSWORD}
        token = httpx.post(f"{url}/auth/register", json=body, trust_env=False).json()["access_token"]

        def log_in(number: int) -> tuple[int, bool]:
            body = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
            answer = flood.post("/auth/login", json=body)
            return answer.status_code, "Retry-After" in answer.headers

        start, slowest, connections = time.monotonic(), 0.0, 0
        with (
            ThreadPoolExecutor(LOGINS) as pool,
            # One client for all, since each takes tens of milliseconds to make: the first logins would have ended
            httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=None), trust_env=False) as flood,
            httpx.Client(base_url=url, timeout=60, trust_env=False) as http,
        ):
            answers = [pool.submit(log_in, number) for number in range(LOGINS)]
            while not all(answer.done() for answer in answers):
                began = time.monotonic()
                assert http.get("/users/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                connections = max(connections, connections_to(fresh_database))
                time.sleep(0.1)
        assert {answer.result() for answer in answers} == {(401, False), (503, True)}
        assert slowest < (time.monotonic() - start) / 2
        assert connections <= REQUEST_SLOTS + 1  # and the background worker's


def connections_to(url: str) -> int:
    """How many other connections a PostgreSQL database has; 0 on SQLite."""
    if not url.startswith("postgres"):
        return 0
    with psycopg.connect(url) as own:
        name = urlsplit(url).path.removeprefix("/")
        count = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
        row = own.execute(count, [name]).fetchone()
    assert row is not None
    return int(row[0])
