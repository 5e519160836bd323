"""Processes are killed, reloaded and stopped under load."""

import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest

from conftest import PASSWORD
from core.tests.waiting import PATIENCE, wait_until
from tests.faults.load import Load
from tests.faults.neighbours import PostgreSQL
from tests.faults.service import WORKERS, Service, serving

pytestmark = pytest.mark.slow
long = pytest.mark.faults
SLOW_HASH = {"ARGON2_TIME_COST": "10", "ARGON2_MEMORY_KIB": "65536"}


def kill_workers(service: Service, number: int) -> None:
    for worker in service.workers()[:number]:
        with suppress(psutil.NoSuchProcess):
            worker.kill()


@pytest.mark.parametrize(("number", "times"), [(WORKERS, 1), pytest.param(1, 20, marks=long)])
def test_killed_workers_lose_nothing(
    service: Service, load: Load, verify: Callable[..., None], number: int, times: int
) -> None:
    with load:
        time.sleep(1)
        with load.fault():
            for _ in range(times):
                kill_workers(service, number)
                time.sleep(0.5)
        time.sleep(1)
    verify(load, cuts=True, slow=True)


@long
def test_a_login_whose_worker_is_killed_keeps_its_account_out_for_five_seconds(database: str, tmp_path: Path) -> None:
    alice = {"email": "alice@example.com", "password": PASSWORD}
    with (
        serving(tmp_path / "log", database, **SLOW_HASH) as service,
        httpx.Client(base_url=service.url, timeout=60, trust_env=False) as http,
        psycopg.connect(database, autocommit=True) as connection,
        ThreadPoolExecutor() as pool,
    ):

        def log_in() -> httpx.Response:
            return http.post("/auth/login", json=alice)

        assert http.post("/auth/register", json=alice).status_code == 201
        connection.execute("UPDATE users SET is_verified = true")
        under_way = pool.submit(log_in)
        held = "SELECT FROM login_guards WHERE holder IS NOT NULL"
        wait_until(lambda: connection.execute(held).rowcount, "the password is not evaluated")
        kill_workers(service, WORKERS)
        began = time.monotonic()
        assert isinstance(under_way.exception(60), httpx.TransportError)
        answer = log_in()
        if answer.status_code == 503:
            time.sleep(int(answer.headers["Retry-After"]))
            answer = log_in()
        assert answer.status_code == 200
        assert time.monotonic() - began < 10  # five, and the time that a busy machine takes over a hash


@long
def test_a_reload_cuts_no_call(service: Service, load: Load, verify: Callable[..., None]) -> None:
    with load:
        time.sleep(1)
        with load.fault():
            for _ in range(4):
                old = service.workers()
                service.process.send_signal(signal.SIGHUP)
                _, alive = psutil.wait_procs(old, PATIENCE)
                assert not alive
        time.sleep(1)
    verify(load, slow=True)


@long
def test_a_stop_answers_what_is_under_way(
    postgresql: PostgreSQL, database: str, tmp_path: Path, verify: Callable[..., None]
) -> None:
    with serving(tmp_path / "log", database) as service:
        with Load(service, database) as load, ExitStack() as lock:
            lock.enter_context(postgresql.locked(database, "LOCK TABLE attempts"))
            time.sleep(1)  # attempts wait for the lock
            with load.fault():
                service.process.terminate()
                time.sleep(0.5)
                lock.close()
                assert service.process.wait(PATIENCE) == 0
                stopped_after = time.monotonic() - load.fault_began
                service.start()
            time.sleep(3)
        verify(load, cuts=True, slow=True)
    under_way = {call.status for call in load.calls if call.began < load.fault_began < call.ended}
    assert 201 in under_way and 0 not in under_way
    assert stopped_after < 20


@long
def test_the_workers_of_a_killed_master_leave_soon(database: str, tmp_path: Path, verify: Callable[..., None]) -> None:
    with serving(tmp_path / "log", database) as service, ExitStack() as stack:
        for _ in range(8):  # idle clients, which keep their connections
            idle = stack.enter_context(httpx.Client(base_url=service.url, trust_env=False))
            assert idle.get("/healthz").status_code == 200
        with Load(service, database) as load:
            time.sleep(2)
            with load.fault():
                service.process.kill()
                wait_until(lambda: is_free(service.url), "the port is not free again")
                held = time.monotonic() - load.fault_began
                service.start()
            time.sleep(2)
        verify(load, cuts=True, slow=True)
    assert held < 10


def is_free(url: str) -> bool:
    with suppress(OSError), socket.create_server(("127.0.0.1", urlsplit(url).port or 0)):
        return True
    return False
