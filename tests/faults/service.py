"""The service as it is shipped: gunicorn, under its own configuration, with four workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.tests.gateways import nginx
from core.tests.servers import ROOT, free_port, wait_for
from core.tests.waiting import PATIENCE

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
WORKERS = 4


class Service:
    """May be started again, on the same port.

    Args:
        log: a file for all that it prints.
        code: the folder of its version.
    """

    def __init__(
        self, log: Path, database_url: str, code: Path = ROOT, /, *, host: str = "127.0.0.1", **environment: str
    ) -> None:
        self.log, self.code = log, code
        port = free_port()
        self.address = f"{host}:{port}"
        self.url = f"http://{self.address}"
        own = {"HOST": host, "PORT": str(port), "PUBLIC_BASE_URL": self.url, "WEB_CONCURRENCY": str(WORKERS)}
        self.launched: list[subprocess.Popen[bytes]] = []
        self.environment = os.environ | own | {"DATABASE_URL": database_url} | environment

    def start(self) -> None:
        self.launch()
        wait_for(f"{self.url}/readyz", self.process)

    def launch(self) -> None:
        with self.log.open("ab") as log:  # a session of its own: see `kill`
            process = subprocess.Popen(
                GUNICORN, cwd=self.code, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.launched.append(process)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.launched[-1]

    def workers(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.process.pid).children()
        return found

    def is_connected_to(self, port: int) -> bool:
        connections = [each for worker in self.workers() for each in worker.net_connections("tcp")]
        return any(each.raddr and each.raddr.port == port for each in connections)

    def kill(self) -> None:
        """Ends the workers of a killed master too: they are in its process group."""
        for process in self.launched:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)


@contextmanager
def serving(
    log: Path, database_url: str, code: Path = ROOT, /, *, host: str = "127.0.0.1", **environment: str
) -> Iterator[Service]:
    service = Service(log, database_url, code, host=host, **environment)
    try:
        service.start()
        yield service
    finally:
        service.kill()


@dataclass
class Replicas:
    """Several instances behind one gateway."""

    url: str
    log: Path
    each: list[Service]


@contextmanager
def replicated(folder: Path, database_url: str, *codes: Path, **environment: str) -> Iterator[Replicas]:
    """One instance for each version, on an address of its own, all behind nginx as shipped."""
    log = folder / "log"
    with ExitStack() as stack:
        each = [
            stack.enter_context(serving(log, database_url, code, host=f"127.0.0.{n}", **environment))
            for n, code in enumerate(codes, 1)
        ]
        port = stack.enter_context(nginx("shipped", " ".join(service.address for service in each), folder))
        yield Replicas(f"http://127.0.0.1:{port}/api/v1/users", log, each)
