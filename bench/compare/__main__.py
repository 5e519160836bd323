"""Compares the service with the floor (`bench/floor.py`), and with stock Django and DRF (`bench/stock`).

All three run at once, on one PostgreSQL and the same rows: 2,000 users with 100 attempts each, of whom 300 call. Each
is loaded in turn, in a new order in each round, so that whatever else the machine does meets all of them. Beside the
logins, argon2-cffi hashes on its own. The database is made on the server of DATABASE_URL, and dropped.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from bench.compare import calls, database, load, report
from bench.compare.calls import CALLS, COMPARED
from bench.compare.report import ARGON2, Measurement
from bench.compare.servers import COMMANDS, Server, Usage, running, wait_until_idle
from core.tests.servers import ROOT

HASHING_PROCESSES = (1, 2, 4)


class Cell(NamedTuple):
    """A load that is measured once in each round."""

    call: str
    connections: int
    server: str


class Bench:
    def __init__(self, folder: Path, url: str, servers: list[Server], seconds: int) -> None:
        self.folder = folder
        self.postmaster = database.postmaster(url)
        self.servers = {server.name: server for server in servers}
        self.seconds = seconds
        refreshes = folder / "refresh"
        self.refreshes = iter(calls.read(refreshes) if refreshes.exists() else [])

    def measure(self, cell: Cell, round_: int) -> Measurement:
        if cell.server.startswith(ARGON2):
            rate = load.hashes_per_second(cell.connections, self.seconds)
            return Measurement(*cell, round_, rate)
        server = self.servers[cell.server]
        before = Usage.now(server, self.postmaster)
        found = self.load(cell, self.seconds)
        after = Usage.now(server, self.postmaster)
        wait_until_idle(server)
        return Measurement(
            *cell,
            round_,
            rate=found.requests / found.seconds,
            cpu_us=(after.server - before.server) / found.requests * 1e6,
            database_us=(after.database - before.database) / found.requests * 1e6 if self.postmaster else None,
            p50=found.p50,
            p99=found.p99,
            others=after.others_since(before),
        )

    def answer(self, cell: Cell) -> Any:
        return load.send(self.servers[cell.server].url, calls.read(self.requests(cell))[0])

    def load(self, cell: Cell, seconds: int) -> load.Load:
        url, requests = self.servers[cell.server].url, self.requests(cell)
        if cell.call == "login":
            return load.log_in(url, calls.read(requests), connections=cell.connections, seconds=seconds)
        rotating = cell.call == "refresh"
        return load.wrk(url, requests, connections=cell.connections, seconds=seconds, rotating=rotating)

    def requests(self, cell: Cell) -> Path:
        """The file of what to send. Refreshes are of sessions that nobody has refreshed yet.

        What is under way when a load ends is lost: the next one does not know those tokens.
        """
        if cell.call != "refresh":
            return self.folder / cell.call
        taken = [next(self.refreshes) for _ in range(sessions_for(cell))]
        if cell.server == "stock":
            taken = [request._replace(body=request.body.replace("refresh_token", "refresh")) for request in taken]
        calls.write(self.folder / "refresh-now", taken)
        return self.folder / "refresh-now"


def sessions_for(cell: Cell) -> int:
    return 2 * cell.connections + 4


def cells(names: list[str], servers: list[str], connections: list[int]) -> Iterator[list[Cell]]:
    """Those that are compared with each other."""
    for name in names:
        if name == "login":
            hashing = [Cell(name, count, f"{ARGON2} x {count}") for count in HASHING_PROCESSES]
            others = [server for server in servers if server != "floor"]
            yield [*(Cell(name, calls.LOGINS_AT_ONCE, server) for server in others), *hashing]
        else:
            yield from ([Cell(name, count, server) for server in servers] for count in connections)


# Not compared: simplejwt's own views have keys of their own, and the floor has no login.
OWN_ANSWERS = {("stock", "refresh"), ("stock", "login"), ("floor", "login")}


def check_answers(bench: Bench, names: list[str]) -> None:
    """Whether all servers give the same answers: the values of what is read, the keys of what is written.

    Raises:
        SystemExit: they do not, so there is nothing to compare.
    """
    for name in names:
        servers = [server for server in bench.servers if (server, name) not in OWN_ANSWERS]
        answers = [bench.answer(Cell(name, 0, server)) for server in servers]
        if CALLS[name].method == "POST":
            answers = [set(answer) for answer in answers]
        if any(answer != answers[0] for answer in answers):
            raise SystemExit(f"{name}: the answers of {servers} differ: {answers}")


def compare(bench: Bench, groups: list[list[Cell]], rounds: int, url: str) -> list[Measurement]:
    for cell in tqdm([group[n] for group in groups for n in range(len(group))], "warming up", leave=False):
        if not cell.server.startswith(ARGON2):
            bench.load(cell, 1)
    found = []
    with tqdm(total=rounds * sum(map(len, groups))) as progress:
        for round_ in range(rounds):
            database.restore(url)
            for group in groups:
                for cell in random.sample(group, len(group)):
                    progress.set_description(f"round {round_ + 1}, {cell.call} x {cell.connections}, {cell.server}")
                    found.append(bench.measure(cell, round_))
                    progress.update()
    return found


def prepare(folder: Path, environment: dict[str, str], names: list[str], refreshes: int) -> None:
    command = [sys.executable, "-m", "bench.compare.prepare", str(folder)]
    command += ["--calls", ",".join(names), "--refreshes", str(refreshes)]
    subprocess.run(command, cwd=ROOT, env=os.environ | environment | {"LOG_LEVEL": "ERROR"}, check=True)


def options() -> argparse.Namespace:
    def some(known: list[str]):
        def parse(text: str) -> list[str]:
            if unknown := set(text.split(",")) - set(known):
                raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(known)}")
            return text.split(",")

        return parse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each load (%(default)s)")
    parser.add_argument("--connections", type=lambda text: [int(n) for n in text.split(",")], default=[1, 16, 64])
    parser.add_argument("--calls", type=some(list(COMPARED)), default=list(COMPARED), help=",".join(COMPARED))
    parser.add_argument("--only", type=some(list(COMMANDS)), default=list(COMMANDS), help=",".join(COMMANDS))
    parser.add_argument("--json", type=Path, help="a file for all measurements")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    if not shutil.which("wrk"):
        raise SystemExit("wrk makes the load: apt-get install wrk")
    groups = list(cells(chosen.calls, chosen.only, chosen.connections))
    refreshing = [cell for group in groups for cell in group if cell.call == "refresh"]
    refreshes = (chosen.rounds + 2) * sum(map(sessions_for, refreshing))  # also to check the answers, and to warm up
    with tempfile.TemporaryDirectory() as name, database.temporary() as url:
        folder, environment = Path(name), database.environment(url)
        prepare(folder, environment, chosen.calls, refreshes)
        with running(chosen.only, folder, environment) as servers:
            bench = Bench(folder, url, servers, chosen.seconds)
            check_answers(bench, chosen.calls)
            fresh = {server.name: server.workers() for server in servers}
            found = compare(bench, groups, chosen.rounds, url)
            memory = [report.Memory(s.name, s.started_in, fresh[s.name], s.workers()) for s in servers]
    print(report.tables(found, memory))
    if chosen.json:
        parts = {"measurements": [one._asdict() for one in found], "servers": [one._asdict() for one in memory]}
        chosen.json.write_text(json.dumps(parts, indent=1))


if __name__ == "__main__":
    main()
