"""Whether this deployment is sound: what `manage.py doctor` examines. Apps register examinations of their own."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor


class Level(StrEnum):
    FINE = "fine"
    WARNING = "warning"  # works, and could be better
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    level: Level
    sentence: str
    code: str = ""
    remedy: str = ""


known: dict[str, "Diagnosis"] = {}


@dataclass(frozen=True)
class Diagnosis:
    """Something that may be wrong. Its code is stable, and stands in docs/operation.md."""

    code: str
    level: Level
    remedy: str

    def __post_init__(self) -> None:
        known[self.code] = self

    def __call__(self, sentence: str, level: Level | None = None) -> Finding:
        return Finding(level or self.level, sentence, self.code, self.remedy)


def warning(code: str, remedy: str) -> Diagnosis:
    return Diagnosis(code, Level.WARNING, remedy)


def problem(code: str, remedy: str) -> Diagnosis:
    return Diagnosis(code, Level.PROBLEM, remedy)


def fine(sentence: str) -> Finding:
    return Finding(Level.FINE, sentence)


Examine = Callable[[], Iterable[Finding]]


@dataclass(frozen=True)
class Examination:
    """One thing to look at. Each is bounded by a few seconds, and none depends on another but on the database."""

    name: str
    run: Examine
    needs_database: bool


examinations: list[Examination] = []


def examination(name: str, *, needs_database: bool = False) -> Callable[[Examine], Examine]:
    def register(run: Examine) -> Examine:
        examinations.append(Examination(name, run, needs_database))
        return run

    return register


DATABASE_DOWN = problem("database_down", "Start the database, or correct DATABASE_URL.")
NOT_EXAMINED = problem("not_examined", "Mend what the sentence says, or report it: an examination should not fail.")


def examine() -> Iterator[tuple[str, list[Finding] | None]]:
    """Each examination twice: before it, with None, and with what it found."""
    yield "database", None
    findings = [database()]
    yield "database", findings
    up = findings[0].level is Level.FINE
    for each in examinations:
        yield each.name, None
        if each.needs_database and not up:
            yield each.name, [Finding(Level.SKIPPED, "Needs the database.")]
        else:
            yield each.name, found_by(each)


def found_by(each: Examination) -> list[Finding]:
    try:
        return list(each.run())
    except Exception as exc:  # noqa: BLE001 - the others are examined all the same
        if isinstance(exc, DatabaseError) and unapplied():
            return [Finding(Level.SKIPPED, "Needs the migrations.")]
        return [NOT_EXAMINED(f"{type(exc).__name__}: {' '.join(str(exc).split())}")]


def database() -> Finding:
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET statement_timeout = '5s'")
            version = ".".join(map(str, connection.get_database_version()))
    except DatabaseError as exc:
        return DATABASE_DOWN(f"The database does not answer: {' '.join(str(exc).split())}")
    return fine(f"{connection.display_name} {version} answers.")


def unapplied() -> list[Migration]:
    executor = MigrationExecutor(connection)
    return [step for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def is_sound(findings: Iterable[Finding], *, strict: bool) -> bool:
    bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    return not any(finding.level in bad for finding in findings)


def as_plain(name: str, finding: Finding) -> dict[str, Any]:
    return {"examination": name, **asdict(finding)}
