"""Compares the table of attempts with one that is partitioned by the hash of the user.

    DATABASE_URL=postgresql://… bench/growth --fill 10000000
    DATABASE_URL=postgresql://… python -m bench.partitions --partitions 32

Both are copies of the same rows, with the indexes that they need, made in this database and dropped. A copy takes as
much disk as `attempts`. What is measured is the processor time of the one backend that does it all, without parallel
workers. The statements are the service's own, prepared.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle
from statistics import median
from typing import Any, NamedTuple
from uuid import UUID

import psutil
import psycopg
from tqdm import tqdm

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peerprep_users.settings")

import django

django.setup()

from uuid_utils.compat import uuid7  # noqa: E402

from attempts.flows.recording import INSERT_ATTEMPT, parameters  # noqa: E402
from attempts.models import Attempt  # noqa: E402
from attempts.queries import BY_LANGUAGE, HISTORY, SHOWN_ATTEMPT  # noqa: E402
from bench.compare.calls import ATTEMPT  # noqa: E402
from bench.compare.report import table  # noqa: E402

ROUNDS = 5
WRITTEN = "id, user_id, question_id, language, submitted_code, passed_tests, total_tests, runtime_ms, created_at"
HISTORY_INDEX = "(user_id, created_at DESC, id DESC, question_id, language, solved, passed_tests, total_tests)"


class Trial:
    """One of the two tables, and the connection that works with it."""

    def __init__(self, url: str, partitions: int) -> None:
        self.name = f"trial_{partitions}"
        self.partitions = partitions
        self.units = [f"{self.name}_{number}" for number in range(partitions)] or [self.name]
        self.connection = psycopg.connect(url, autocommit=True)
        self.backend = psutil.Process(self.connection.info.backend_pid)
        self.execute("SET max_parallel_maintenance_workers = 0; SET max_parallel_workers_per_gather = 0")
        self.execute("SET maintenance_work_mem = '256MB'; SET synchronous_commit = off")

    def execute(self, sql: str, parameters: Any = None) -> Any:
        return self.connection.execute(sql, parameters)

    def seconds(self, *statements: str) -> float:
        """Processor time of these."""
        before = self.cpu()
        for statement in statements:
            self.execute(statement)
        return self.cpu() - before

    def cpu(self) -> float:
        return sum(self.backend.cpu_times()[:2])

    def create(self) -> None:
        self.execute(f"DROP TABLE IF EXISTS {self.name}")
        by = "PARTITION BY HASH (user_id)" if self.partitions else ""
        self.execute(f"CREATE TABLE {self.name} (LIKE attempts INCLUDING GENERATED INCLUDING CONSTRAINTS) {by}")
        for number in range(self.partitions):
            part = f"(MODULUS {self.partitions}, REMAINDER {number})"
            self.execute(f"CREATE TABLE {self.units[number]} PARTITION OF {self.name} FOR VALUES WITH {part}")

    def fill(self) -> Iterator[tuple[str, float]]:
        """Each step, and its seconds."""
        key = "(user_id, id)" if self.partitions else "(id)"
        copy = f"INSERT INTO {self.name} ({WRITTEN}) SELECT {WRITTEN} FROM attempts ORDER BY created_at"
        yield "copying, s", self.seconds(copy)
        yield "building the primary key, s", self.seconds(f"ALTER TABLE {self.name} ADD PRIMARY KEY {key}")
        yield "building the history's index, s", self.seconds(f"CREATE INDEX ON {self.name} {HISTORY_INDEX}")
        yield "foreign key, s", self.seconds(f"ALTER TABLE {self.name} ADD FOREIGN KEY (user_id) REFERENCES users")
        yield "first VACUUM ANALYZE, s", self.seconds(f"VACUUM ANALYZE {self.name}")

    def gigabytes(self) -> float:
        sizes = "SELECT pg_total_relation_size(%s::regclass)"
        return sum(self.execute(sizes, [unit]).fetchone()[0] for unit in self.units) / 1e9

    def vacuum(self) -> Iterator[tuple[str, float]]:
        self.execute(f"DELETE FROM {self.name} WHERE question_id % 100 = 7")
        taken = [self.seconds(f"VACUUM {unit}") for unit in self.units]
        yield "VACUUM when 1 % are gone, s", sum(taken)
        yield "of that, the longest of one table, s", max(taken)

    def text(self, statement: str) -> str:
        return statement.replace("FROM attempts", f"FROM {self.name}").replace("INTO attempts", f"INTO {self.name}")


class Statement(NamedTuple):
    name: str
    text: str
    parameters: Callable[[UUID], Any]
    users: list[UUID]
    times: int


def recorded(user: UUID) -> dict[str, Any]:
    return parameters(Attempt(id=uuid7(), user_id=user, question_id=1_000_000, **ATTEMPT))


def statements(users: dict[str, list[UUID]], shown: dict[UUID, UUID]) -> Iterator[Statement]:
    yield Statement("record", INSERT_ATTEMPT, recorded, users["100"], 2_000)
    yield Statement("one attempt", SHOWN_ATTEMPT.text, lambda user: (shown[user], user), users["100"], 4_000)
    for size, of in users.items():
        yield Statement(f"first page, {size}", HISTORY.text, lambda user: (user, 21, 0), of, 4_000)
        yield Statement(
            f"languages, {size}", BY_LANGUAGE.text, lambda user: (user,), of, 400_000 // max(400, int(size))
        )


def microseconds(trial: Trial, statement: Statement) -> float:
    text, users = trial.text(statement.text), cycle(statement.users)
    for _ in range(12):  # until it is prepared, and PostgreSQL has chosen between a general and a special plan
        trial.execute(text, statement.parameters(next(users)))
    given = [statement.parameters(next(users)) for _ in range(statement.times)]
    before = trial.cpu()
    for parameters_ in given:
        trial.execute(text, parameters_).fetchall()
    return (trial.cpu() - before) / statement.times * 1e6


def chosen_users(trial: Trial) -> dict[str, list[UUID]]:
    sums = "SELECT user_id FROM user_question_status GROUP BY user_id HAVING sum(attempts) BETWEEN %s AND %s LIMIT 1000"
    ranges = {"100": (50, 500), "10000": (8_000, 20_000), "100000": (80_000, 200_000)}
    found = {size: [row[0] for row in trial.execute(sums, between).fetchall()] for size, between in ranges.items()}
    return {size: users for size, users in found.items() if users}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=32, help="(%(default)s)")
    count = parser.parse_args().partitions
    url = os.environ["DATABASE_URL"]
    figures: dict[str, list[str]] = {}
    trials = [Trial(url, 0), Trial(url, count)]
    with closing(trials[0].connection), closing(trials[1].connection):
        for trial in trials:
            trial.create()
            for name, seconds in tqdm(trial.fill(), trial.name, total=5):
                figures.setdefault(name, []).append(f"{seconds:.1f}")
            figures.setdefault("size, GB", []).append(f"{trial.gigabytes():.2f}")
        users = chosen_users(trials[0])
        for statement in tqdm(list(statements(users, shown_by(trials[0], users["100"]))), "statements"):
            taken = [[microseconds(trial, statement) for trial in trials] for _ in range(ROUNDS)]
            for values in zip(*taken, strict=True):
                half = (max(values) - min(values)) / 2 / median(values)
                figures.setdefault(f"{statement.name}, µs", []).append(f"{median(values):,.0f} ± {half:.0%}")
        for trial in trials:
            for name, seconds in trial.vacuum():
                figures.setdefault(name, []).append(f"{seconds:.1f}")
            trial.execute(f"DROP TABLE {trial.name}")
        trials[0].execute("DELETE FROM user_question_status WHERE question_id = 1000000")
    print(table(("", "one table", f"{count} partitions"), ((name, *values) for name, values in figures.items())))


def shown_by(trial: Trial, users: list[UUID]) -> dict[UUID, UUID]:
    sql = f"SELECT DISTINCT ON (user_id) user_id, id FROM {trial.name} WHERE user_id = ANY(%s)"
    return dict(trial.execute(sql, [users]).fetchall())


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
