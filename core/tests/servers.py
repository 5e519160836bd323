"""A server of the tests: gunicorn under the configuration that `make run` starts it with."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from itertools import cycle
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlencode

import httpx
from django.db import connection

from core.tests.waiting import wait_until

# Every client of httpx, and every httpx.get(), would read all root certificates, which takes 20 ms of CPU time.
patch("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context)).start()

ROOT = Path(__file__).resolve().parents[2]


# Below those that the system hands out by itself, and for each process of a run its own.
FIRST_PORT = 10_000 + 1_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = cycle(range(FIRST_PORT, FIRST_PORT + 1_000))


def free_port() -> int:
    """A port where nothing listens, and that nobody else takes before the caller does."""
    while True:
        port = next(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def database_url() -> str:
    """Of the very database that the tests use."""
    values = connection.get_connection_params()
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['database']}"
    user = f"{values.get('user') or ''}:{values.get('password') or ''}@" if values.get("user") else ""
    where = urlencode({name: values[name] for name in ("host", "port") if values.get(name)})  # a socket's folder, too
    return f"postgresql://{user}/{values['dbname']}?{where}"


def migrate(database_url: str, code: Path = ROOT) -> None:
    command = [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"]
    subprocess.run(command, cwd=code, env={**os.environ, "DATABASE_URL": database_url}, check=True)


@contextmanager
def served(port: int, log: Path | None = None, /, **environment: str) -> Iterator[str]:
    """Serves on `port`, with a database that is migrated already. Gives the base URL. What it logs may go to a file."""
    base_url = f"http://127.0.0.1:{port}"
    own = {"HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_BASE_URL": base_url, "WEB_CONCURRENCY": "2"}
    variables = {**os.environ, **own, **environment}
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
    with (
        log.open("wb") if log else nullcontext() as stderr,
        subprocess.Popen(gunicorn, cwd=ROOT, env=variables, stderr=stderr) as process,
    ):
        try:
            wait_for(f"{base_url}/readyz", process)
            yield base_url
        finally:
            process.terminate()
            process.wait(40)


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    def answers() -> bool:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with suppress(httpx.TransportError):
            return httpx.get(url, trust_env=False).status_code == 200
        return False

    wait_until(answers, f"{url} does not answer")
