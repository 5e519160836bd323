"""What a read replica would take off the primary, were the reads of attempts sent to it.

    DATABASE_URL=postgresql://… REPLICA_URL=postgresql://… python -m bench.replica

The statements of each call are recorded from the service, and repeated as a router would send them: the sign-in to the
primary, since a revocation must hold at once, and the rest of a read to the replica. Users must read their own writes,
so a recording asks the primary for its position in the WAL, and a read asks the replica for its own. Either URL may
lead to PgBouncer. Nothing else should use the two servers, since the time of all their processes counts.
"""

import os
import time
from collections.abc import Iterator
from itertools import cycle
from statistics import median, quantiles
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
from tqdm import tqdm

from bench.capacity import SESSION
from bench.compare import database
from bench.compare.report import table
from bench.compare.servers import cpu_seconds
from bench.statements import replay

USERS, ATTEMPTS, REPEATED, ROUNDS = 300, 100, 1_000, 3
READS = ("list", "summary", "questions", "activity", "statistics", "attempt")
WRITTEN_UP_TO = "SELECT pg_current_wal_insert_lsn()"
REPLAYED_UP_TO = "SELECT pg_last_wal_replay_lsn()"


class Servers(NamedTuple):
    primary: psycopg.Connection[Any]
    replica: psycopg.Connection[Any]
    processes: list[psutil.Process]

    @classmethod
    def at(cls, *urls: str) -> "Servers":
        # Not prepared, as by the service behind a pooler.
        connections = [psycopg.connect(url, autocommit=True, prepare_threshold=None) for url in urls]
        return cls(*connections, [database.postmaster(url) for url in urls])

    def spent(self) -> list[float]:
        return [cpu_seconds(process) for process in self.processes]

    def wait_for_replica(self) -> float:
        """Milliseconds until the replica has what was written last."""
        [written] = self.primary.execute(WRITTEN_UP_TO).fetchone()
        began = time.monotonic()
        while not self.replica.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [written]).fetchone()[0]:
            pass
        return (time.monotonic() - began) * 1000


class Replay:
    """The statements of a call, for one user after the other."""

    def __init__(self, name: str, users: list[Any]) -> None:
        from bench.compare.prepare import facts_of, new_sessions, record, requests_of  # noqa: PLC0415 - see `main`

        self.name = name
        sessions = new_sessions(users, len(users))
        self.recording = record(name, sessions[0])
        pairs = zip(sessions, requests_of(name, sessions), strict=True)
        self.facts = cycle([facts_of(name, *pair) | {"question_id": 1_000_000 + n} for n, pair in enumerate(pairs)])

    def run(self, servers: Servers, *, routed: bool) -> None:
        values = self.recording.values_for(next(self.facts))
        for connection, first, last in self.parts(servers, routed=routed):
            part = self.recording._replace(
                statements=self.recording.statements[first:last], returned=self.recording.returned[first:last]
            )
            replay(connection, part, values)

    def parts(self, servers: Servers, *, routed: bool) -> Iterator[tuple[psycopg.Connection[Any], int, int | None]]:
        if not routed or self.name not in READS:
            yield servers.primary, 0, None
            if routed and self.name == "record":
                servers.primary.execute(WRITTEN_UP_TO).fetchone()
        else:
            yield servers.primary, 0, 1
            servers.replica.execute(REPLAYED_UP_TO).fetchone()
            yield servers.replica, 1, None

    def microseconds(self, servers: Servers, *, routed: bool) -> list[float]:
        """Processor time of a call: the primary's and the replica's, which replays what is written in any case."""
        before = servers.spent()
        for _ in range(REPEATED):
            self.run(servers, routed=routed)
        servers.wait_for_replica()
        return [(after - at) / REPEATED * 1e6 for after, at in zip(servers.spent(), before, strict=True)]


def measured(replays: list[Replay], servers: Servers) -> Iterator[tuple[str, list[float]]]:
    """Of each call the four times, medians over the rounds: primary and replica, without routing and with it."""
    found: dict[str, list[list[float]]] = {one.name: [] for one in replays}
    for one in tqdm(replays * ROUNDS):
        both = [one.microseconds(servers, routed=routed) for routed in (False, True)]
        found[one.name].append(both[0] + both[1])
    for name, rounds in found.items():
        yield name, [median(column) for column in zip(*rounds, strict=True)]


def lags(recording: Replay, servers: Servers) -> Iterator[float]:
    """How long the replica takes to have an attempt, in milliseconds."""
    for _ in range(500):
        recording.run(servers, routed=False)
        yield servers.wait_for_replica()


def lines(found: list[tuple[str, list[float]]]) -> Iterator[tuple[str, ...]]:
    total = [0.0] * 4
    for name, times in found:
        total = [sum_ + SESSION[name] * taken for sum_, taken in zip(total, times, strict=True)]
        yield name, str(SESSION[name]), *(f"{taken:,.0f}" for taken in times)
    yield "these of a session", "", *(f"{sum_:,.0f}" for sum_ in total)


def main() -> None:
    with database.temporary() as url:
        os.environ.update(database.environment(url) | {"LOG_LEVEL": "ERROR"})
        from bench.compare.prepare import User, fill  # noqa: PLC0415 - it sets Django up, on that database

        fill(USERS, ATTEMPTS)
        replays = [Replay(name, list(User.objects.all())) for name in ("me", "record", *READS)]
        replica = urlunsplit(urlsplit(os.environ["REPLICA_URL"])._replace(path=urlsplit(url).path))
        servers = wait_for(url, replica)
        found = list(measured(replays, servers))
        late = quantiles(lags(replays[1], servers), n=100)
    head = (
        "call",
        "of a session",
        "all on the primary, µs",
        "its replica",
        "reads on the replica: primary, µs",
        "replica",
    )
    print(table(head, lines(found)))
    print(f"An attempt is on the replica after {late[49]:.2f} ms (p50), {late[98]:.2f} ms (p99).")


def wait_for(primary: str, replica: str) -> Servers:
    """Once the replica has the new database."""
    while True:
        try:
            servers = Servers.at(primary, replica)
        except psycopg.OperationalError:
            time.sleep(1)
        else:
            servers.wait_for_replica()
            return servers


if __name__ == "__main__":
    main()
