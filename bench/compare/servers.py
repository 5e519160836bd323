"""The servers that are compared, all running at once, and what they and the machine use."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from core.tests.servers import ROOT, free_port, wait_for

GTHREAD = ["--log-level", "warning", "--worker-class", "gthread", "--workers"]
COMMANDS = {  # of gunicorn
    "ours": ["-c", "deploy/gunicorn.conf.py"],
    # On 2 processors faster than 2 or 4 workers, more threads, or the sync worker, which keeps no connection.
    "floor": [*GTHREAD, "3", "--threads", "1", "bench.floor"],
    "stock": [*GTHREAD, "2", "--threads", "4", "bench.stock.wsgi"],
}


class Server(NamedTuple):
    name: str
    url: str
    process: psutil.Process
    started_in: float  # seconds until its first answer

    def workers(self) -> list[int]:
        """The memory (RSS) of each, in MiB."""
        return [worker.memory_info().rss // 1024**2 for worker in self.process.children()]


@contextmanager
def running(names: list[str], folder: Path, environment: dict[str, str]) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(started(name, folder, environment)) for name in names]


@contextmanager
def started(name: str, folder: Path, environment: dict[str, str]) -> Iterator[Server]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    own = {"HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_BASE_URL": url, "RECORDINGS": str(folder / "recordings")}
    bound = [] if name == "ours" else ["-b", f"127.0.0.1:{port}"]
    command = [sys.executable, "-m", "gunicorn", *bound, *COMMANDS[name]]
    began = time.monotonic()
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment | own, stdout=log, stderr=log)
    try:
        wait_for(f"{url}/healthz", process)
        yield Server(name, url, psutil.Process(process.pid), time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(40)


def cpu_seconds(root: psutil.Process | None) -> float:
    """The processor time of a process and all that it started, also of those that have ended."""
    total = 0.0
    for process in [root, *root.children(recursive=True)] if root else []:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def wait_until_idle(server: Server) -> None:
    """A server still answers what clients had sent when they left; the next load must not compete with that."""
    used, before = cpu_seconds(server.process), -1.0
    while used - before > 0.01:
        time.sleep(0.1)
        used, before = cpu_seconds(server.process), used


class Usage(NamedTuple):
    """Processor seconds since each began; `machine` is whatever ran, `known` what belongs to the comparison."""

    at: float
    server: float
    database: float
    known: float
    machine: float

    @classmethod
    def now(cls, server: Server, database: psutil.Process | None) -> "Usage":
        times = psutil.cpu_times()
        machine = sum(times) - times.idle - times.iowait - times.guest - times.guest_nice
        of_database = cpu_seconds(database)
        known = cpu_seconds(psutil.Process()) + of_database
        return cls(time.monotonic(), cpu_seconds(server.process), of_database, known, machine)

    def others_since(self, before: "Usage") -> float:
        """How many processors somebody else kept busy."""
        used = (self.machine - before.machine) - (self.known - before.known)
        return max(0.0, used / (self.at - before.at))
