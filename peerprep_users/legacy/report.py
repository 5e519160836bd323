"""What could not be taken over as it was: a line of JSON for each row, and the counts of each reason."""

import json
from collections import Counter
from typing import IO, Any, NamedTuple

NOT_IMPORTED = "not imported"


class Reason(NamedTuple):
    table: str
    reason: str
    outcome: str


class Report:
    def __init__(self, file: IO[str] | None = None) -> None:
        self.file = file
        self.counts: Counter[Reason] = Counter()

    def add(self, table: str, id_: str, reason: str, outcome: str = NOT_IMPORTED, **facts: Any) -> None:
        """Facts never hold a password hash or submitted code."""
        self.counts[Reason(table, reason, outcome)] += 1
        if self.file:
            line = {"table": table, "id": id_, "reason": reason, "outcome": outcome, **facts}
            self.file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def not_imported(self, table: str) -> int:
        return sum(n for reason, n in self.counts.items() if (reason.table, reason.outcome) == (table, NOT_IMPORTED))
