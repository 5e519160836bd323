"""What could not be taken over as it was: a line of JSON for each row, and the counts of each reason."""

import json
from collections import Counter
from enum import StrEnum, auto
from typing import IO, Any

NOT_IMPORTED = "not imported"


class Reason(StrEnum):
    """docs/migration.md explains them."""

    BAD_ID = auto()
    ID_TAKEN = auto()
    BAD_ADDRESS = auto()
    DUPLICATE_ADDRESS = auto()
    ADDRESS_TAKEN = auto()
    DELETED_HERE = auto()
    BAD_NAME = auto()
    LONG_NAME = auto()
    BAD_ROLE = auto()
    BAD_HASH = auto()
    BAD_TIME = auto()
    BAD_QUESTION = auto()
    BAD_LANGUAGE = auto()
    BAD_RESULT = auto()
    NO_TESTS = auto()
    USER_GONE = auto()
    USER_NOT_IMPORTED = auto()
    NEVER_SOLVED = auto()
    SOLVED_EARLIER = auto()
    BAD_RUNTIME = auto()


class Report:
    def __init__(self, file: IO[str] | None = None) -> None:
        self.file = file
        self.counts: Counter[tuple[str, Reason, str]] = Counter()  # by table, reason and outcome

    def add(self, table: str, id_: str, reason: Reason, outcome: str = NOT_IMPORTED, **facts: Any) -> None:
        """Facts are never a password hash or submitted code."""
        self.counts[table, reason, outcome] += 1
        if self.file:
            line = {"table": table, "id": id_, "reason": reason, "outcome": outcome, **facts}
            self.file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def not_imported(self, table: str) -> int:
        return sum(n for (where, _, outcome), n in self.counts.items() if (where, outcome) == (table, NOT_IMPORTED))
