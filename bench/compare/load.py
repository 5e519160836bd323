"""Load: wrk on a server, and Argon2id on its own."""

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection
from multiprocessing import Pool
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from argon2 import PasswordHasher

from bench.compare.calls import PASSWORD, Request

SCRIPT = Path(__file__).with_suffix(".lua")


class Load(NamedTuple):
    """What came of it; the latencies are in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int


def wrk(url: str, requests: Path, *, connections: int, seconds: int, rotating: bool) -> Load:
    """Keeps so many connections busy with the requests in a file.

    Raises:
        SystemExit: a request failed, or was not answered with success. Nothing can be said of such a run.
    """
    threads = min(2, connections)
    command = [
        "wrk",
        f"-t{threads}",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout=20s",
        "-s",
        str(SCRIPT),
        url,
        "--",
    ]
    command += [str(requests), str(threads), "rotating" if rotating else ""]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    load = Load(**json.loads(printed.rpartition("RESULT")[2]))
    if load.errors or not load.requests:
        raise SystemExit(f"{load.errors} of {load.requests} requests to {url} failed ({requests.name}):\n{printed}")
    return load


def send(url: str, request: Request) -> Any:
    headers = {"Content-Type": "application/json"}
    if request.token:
        headers["Authorization"] = f"Bearer {request.token}"
    http = HTTPConnection(urlsplit(url).netloc, timeout=60)
    http.request(request.method, request.path, request.body, headers)
    answer = http.getresponse()
    content = answer.read()
    if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
        raise SystemExit(f"{request.method} {url}{request.path} was answered with {answer.status}: {content!r}")
    return json.loads(content)


# --- Logins: there are so few a second that those under way at the end count, so they are waited for -----------------


def log_in(url: str, requests: list[Request], *, connections: int, seconds: float) -> Load:
    began = time.monotonic()

    def repeat(requests: Iterator[Request]) -> Iterator[float]:
        while (sent := time.monotonic()) < began + seconds:
            send(url, next(requests))
            yield (time.monotonic() - sent) * 1000

    with ThreadPoolExecutor(connections) as pool:
        own = [itertools.cycle(requests[number::connections]) for number in range(connections)]
        found = list(itertools.chain.from_iterable(pool.map(list, map(repeat, own))))
    cuts = quantiles(found, n=100)
    return Load(len(found), time.monotonic() - began, cuts[49], cuts[98], errors=0)


def hash_for(seconds: float) -> tuple[int, float, float]:
    """How many hashes were verified, and when that began and ended."""
    hasher = PasswordHasher()
    stored = hasher.hash(PASSWORD)
    began, made = time.monotonic(), 0
    while time.monotonic() < began + seconds:
        hasher.verify(stored, PASSWORD)
        made += 1
    return made, began, time.monotonic()


def hashes_per_second(processes: int, seconds: float) -> float:
    """What Argon2id allows with the service's parameters, which are argon2-cffi's own, and nothing else to do."""
    with Pool(processes) as pool:
        made, began, ended = zip(*pool.map(hash_for, [seconds] * processes), strict=True)
    return sum(made) / (max(ended) - min(began))
