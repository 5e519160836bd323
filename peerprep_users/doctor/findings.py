"""What a check of the doctor finds."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    FINE = "fine"
    WARNING = "warning"  # works, but should be improved
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    level: Level
    sentence: str
    code: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Fault:
    """Something that may be wrong. Its code is stable, and documented in docs/operation.md."""

    code: str
    level: Level
    remedy: str

    def __call__(self, sentence: str, level: Level | None = None) -> Finding:
        return Finding(level or self.level, sentence, self.code, self.remedy)


def fine(sentence: str) -> Finding:
    return Finding(Level.FINE, sentence)
