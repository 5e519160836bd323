"""What a session of practice costs: processor time of each call, rows and bytes; and from that, what growth costs.

    DATABASE_URL=postgresql://… python -m bench.capacity

It starts the service as it is shipped, on a database that it makes on that server and drops. Students with a year of
attempts play sessions there, two students at a time, each call on a connection of its own, as from our gateway.
With RABBITMQ_URL in the environment, publishing the events of a call is part of what it costs.
Nothing else should use that server, since the time of PostgreSQL is that of all its processes.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
import psycopg
from psycopg.sql import SQL, Identifier
from tqdm import tqdm

from bench.compare import database
from bench.compare.calls import ATTEMPT, CALLS, PASSWORD, QUESTION, Request
from bench.compare.load import send
from bench.compare.report import table
from bench.compare.servers import Server, Usage, started

# --- Assumptions -----------------------------------------------------------------------------------------------------

# An hour of practice: six pages opened, eight runs at three questions, an access token renewed four times.
SESSION = {
    "login": 1,
    "me": 6,
    "is-admin": 6,
    "list": 4,
    "summary": 4,
    "questions": 2,
    "activity": 1,
    "statistics": 1,
    "attempt": 4,
    "record": 8,
    "refresh": 4,
    "logout": 1,
}
RUNS_AT_A_QUESTION = 3
SESSIONS_A_YEAR = 60  # of a student: two a week in 30 weeks
CODE = 1000  # bytes of a submission
PEAK = 0.1  # the share of all students who begin a session in the busiest hour
UTILISATION = 0.5  # of a processor at that hour
PROCESSES, MIB, CONNECTIONS = 2, 120, 3  # for each processor; of each process
KEPT = {  # of how many sessions a student's rows are kept: of a year, of the last weeks, or of the first one
    "attempts": SESSIONS_A_YEAR,
    "user_question_status": SESSIONS_A_YEAR,
    "sessions": 4,
    "token_blacklist_blacklistedtoken": 2,
    "token_blacklist_outstandingtoken": 2,
    "revocations": 0,
    "known_devices": 1,
}

STUDENTS, ATTEMPTS = 2_000, SESSION["record"] * SESSIONS_A_YEAR
AT_ONCE = 2


class Student:
    def __init__(self, url: str, number: int) -> None:
        self.url = url
        self.login = {"email": f"user{number}@example.com", "password": PASSWORD}
        self.access = self.refresh = self.attempt = ""

    def call(self, name: str, number: int) -> None:
        method, path, signed_in = CALLS[name]
        record = {"question_id": QUESTION + number // RUNS_AT_A_QUESTION, **ATTEMPT}
        body = {"login": self.login, "record": record, "refresh": {"refresh_token": self.refresh}}.get(name)
        token = self.access if signed_in else ""
        path = path.format(attempt_id=self.attempt)
        answer = send(self.url, Request(method, path, token, json.dumps(body) if body else ""))
        if name in {"login", "refresh"}:
            self.access, self.refresh = answer["access_token"], answer["refresh_token"]
        if name == "list":
            self.attempt = answer[-1]["id"]


class Cost(NamedTuple):
    """Of one call: microseconds of processor time; and how many processors somebody else kept busy."""

    call: str
    server: float
    database: float
    others: float


def wait_until_published(url: str) -> None:
    """At once where events are off."""
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute("SELECT FROM events LIMIT 1").rowcount:
            time.sleep(0.2)


def play(students: list[Student], server: Server, url: str) -> Iterator[Cost]:
    """A session of each, a kind of call after the other."""
    postmaster = database.postmaster(url)
    for name, count in SESSION.items():
        before = Usage.now(server, postmaster)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda student: [student.call(name, n) for n in range(count)], students))  # noqa: B023
        wait_until_published(url)
        after = Usage.now(server, postmaster)
        micro = 1e6 / len(students) / count
        taken = (after.server - before.server) * micro, (after.database - before.database) * micro
        yield Cost(name, *taken, after.others_since(before))


def play_rounds(students: list[Student], rounds: int, server: Server, url: str) -> list[Cost]:
    found = []
    with tqdm(total=rounds * len(SESSION)) as progress:
        for number in range(rounds):
            for cost in play(students[number::rounds], server, url):
                progress.set_description(cost.call)
                progress.update()
                found.append(cost)
    return found


def idle(server: Server, postmaster: psutil.Process, seconds: int = 10) -> tuple[float, float]:
    """Processor milliseconds in a second: of each process of the server, and of PostgreSQL, when nobody calls."""
    before = Usage.now(server, postmaster)
    time.sleep(seconds)
    after = Usage.now(server, postmaster)
    of_server, of_database = after.server - before.server, after.database - before.database
    return of_server / len(server.workers()) / seconds * 1e3, of_database / seconds * 1e3


# --- Rows and bytes --------------------------------------------------------------------------------------------------


class Stored(NamedTuple):
    """Of each table the rows, and the bytes with its indexes."""

    rows: dict[str, int]
    bytes: dict[str, int]

    @classmethod
    def now(cls, url: str) -> "Stored":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            counts = {name: SQL("SELECT count(*) FROM {}").format(Identifier(name)) for name in KEPT}
            rows = {name: connection.execute(count).fetchone()[0] for name, count in counts.items()}
            size = "SELECT pg_total_relation_size(%s::regclass)"
            return cls(rows, {name: connection.execute(size, [name]).fetchone()[0] for name in KEPT})


def wal_written(url: str) -> int:
    """Bytes since the server began."""
    with psycopg.connect(url) as connection:
        return int(connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()[0])


def grown(before: Stored, after: Stored, sessions: int) -> Iterator[tuple[str, float, float, float]]:
    """Of each table: rows of a session, bytes of a row, and bytes of a student after a year."""
    for name, kept in KEPT.items():
        rows = (after.rows[name] - before.rows[name]) / sessions
        row_bytes = after.bytes[name] / after.rows[name]
        if name == "attempts":
            row_bytes += CODE - len(ATTEMPT["submitted_code"])
        yield name, rows, row_bytes, rows * row_bytes * kept


# --- Tables ----------------------------------------------------------------------------------------------------------


def of_calls(found: list[Cost]) -> Iterator[tuple[str, ...]]:
    """A line for each call, with the median of the rounds and half their range, and one for the session."""
    for name, count in SESSION.items():
        _, server, postgresql, others = zip(*(cost for cost in found if cost.call == name), strict=True)
        yield name, str(count), spread(server), spread(postgresql), f"{median(others):.2f}"
    server, postgresql = totals(found)
    yield "the session", str(sum(SESSION.values())), f"{server * 1e6:,.0f}", f"{postgresql * 1e6:,.0f}", ""


def spread(values: Sequence[float]) -> str:
    middle = median(values)
    return f"{middle:,.0f} ± {(max(values) - min(values)) / 2 / middle:.0%}"


def totals(found: list[Cost]) -> tuple[float, float]:
    """Processor seconds of a session: of the server, and of PostgreSQL."""
    medians = [
        [median(getattr(cost, of) for cost in found if cost.call == name) * count for name, count in SESSION.items()]
        for of in ("server", "database")
    ]
    return sum(medians[0]) / 1e6, sum(medians[1]) / 1e6


def needed(users: int, server: float, postgresql: float, wal: float, kept: float) -> tuple[str, ...]:
    """What so many students need at the peak hour, and their database after a year.

    Args:
        server, postgresql: processor seconds of a session.
        wal, kept: bytes of a session, and of a student.
    """
    rate = users * PEAK / 3600
    processors = rate * server / UTILISATION
    processes = max(2 * PROCESSES, processors * PROCESSES)
    figures = rate, rate * sum(SESSION.values()), processors, rate * postgresql / UTILISATION
    sizes = processes * MIB / 1024, processes * CONNECTIONS, rate * wal / 1e6, users * kept / 1e9
    return f"{users:,}", *(f"{figure:,.3g}" if figure < 100 else f"{figure:,.0f}" for figure in (*figures, *sizes))


def report(
    found: list[Cost], waiting: tuple[float, float], growth: list[tuple[str, float, float, float]], wal: float
) -> str:
    kept = sum(one[-1] for one in growth)
    calls = ("call", "of a session", "server, CPU µs", "PostgreSQL, CPU µs", "others, cores")
    tables = ("table", "rows of a session", "bytes of a row", "bytes of a student, after a year")
    sizes = ("students", "sessions/s", "calls/s", "processors", "of PostgreSQL", "GiB of memory", "connections")
    sizes += ("WAL, MB/s", "database a year, GB")
    return "\n\n".join(
        (
            table(calls, of_calls(found)),
            "Idle: {:.1f} ms a second of each process of the server, {:.1f} ms of PostgreSQL.".format(*waiting),
            table(tables, ((n, f"{rows:.2f}", f"{size:,.0f}", f"{total:,.0f}") for n, rows, size, total in growth)),
            f"A session writes {wal / 1e3:,.0f} kB of WAL; a student has {kept / 1e3:,.0f} kB after a year.",
            table(sizes, (needed(users, *totals(found), wal, kept) for users in (10**3, 10**6, 10**8))),
        )
    )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--students", type=int, default=200, help="of each round (%(default)s)")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    sessions = chosen.rounds * chosen.students
    print(f"Filling: {STUDENTS:,} students with {ATTEMPTS} attempts each", flush=True)
    with tempfile.TemporaryDirectory() as folder, database.temporary() as url:
        environment = database.environment(url)
        os.environ.update(environment | {"LOG_LEVEL": "ERROR"})
        from bench.compare.prepare import fill  # noqa: PLC0415 - it sets Django up, on that database

        fill(STUDENTS, ATTEMPTS)
        with started("ours", Path(folder), environment | {"LOG_LEVEL": "INFO"}) as server:
            students = [Student(server.url, number) for number in range(1, sessions + 1)]
            before, wal = Stored.now(url), wal_written(url)
            found = play_rounds(students, chosen.rounds, server, url)
            wal, after = wal_written(url) - wal, Stored.now(url)
            waiting = idle(server, database.postmaster(url))
    print(report(found, waiting, list(grown(before, after, sessions)), wal / sessions))


if __name__ == "__main__":
    main()
