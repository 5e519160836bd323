"""What an examination of the doctor finds."""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True)
class Diagnosis:
    """Something that may be wrong. Its code is stable, and stands in docs/operation.md."""

    code: str
    level: Level
    remedy: str

    def __call__(self, sentence: str, level: Level | None = None) -> Finding:
        return Finding(level or self.level, sentence, self.code, self.remedy)


def warning(code: str, remedy: str) -> Diagnosis:
    return Diagnosis(code, Level.WARNING, remedy)


def problem(code: str, remedy: str) -> Diagnosis:
    return Diagnosis(code, Level.PROBLEM, remedy)


def fine(sentence: str) -> Finding:
    return Finding(Level.FINE, sentence)
