"""The service as it is shipped: gunicorn, under its own configuration, with four workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from core.tests.servers import ROOT, free_port, wait_for
from core.tests.waiting import PATIENCE

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
WORKERS = 4


class Service:
    """May be started again, on the same port.

    Args:
        log: a file for all that it prints.
    """

    def __init__(self, log: Path, database_url: str, **environment: str) -> None:
        self.log = log
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        own = {"HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_BASE_URL": self.url, "WEB_CONCURRENCY": str(WORKERS)}
        self.launched: list[subprocess.Popen[bytes]] = []
        self.environment = os.environ | own | {"DATABASE_URL": database_url} | environment

    def start(self) -> None:
        self.launch()
        wait_for(f"{self.url}/readyz", self.process)

    def launch(self) -> None:
        with self.log.open("ab") as log:  # a session of its own: see `kill`
            process = subprocess.Popen(
                GUNICORN, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.launched.append(process)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.launched[-1]

    def workers(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.process.pid).children()
        return found

    def kill(self) -> None:
        """Ends the workers of a killed master too: they are in its process group."""
        for process in self.launched:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)


@contextmanager
def serving(log: Path, database_url: str, **environment: str) -> Iterator[Service]:
    service = Service(log, database_url, **environment)
    try:
        service.start()
        yield service
    finally:
        service.kill()
