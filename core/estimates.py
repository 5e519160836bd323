"""How many rows there are, without reading all of a large table."""

import json
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

EXACT_UP_TO = 10_000


@dataclass(frozen=True)
class RowCount:
    value: int
    is_estimate: bool = False

    def __str__(self) -> str:
        return f"{'about ' if self.is_estimate else ''}{self.value:,}"


def count_or_estimate(rows: QuerySet[Any]) -> RowCount:
    """Exact up to 10,000 rows, beyond that what PostgreSQL's planner expects. SQLite, for development, counts all."""
    rows = rows.order_by()
    counted = rows[: EXACT_UP_TO + 1].count()
    if counted <= EXACT_UP_TO:
        return RowCount(counted)
    if connection.vendor != "postgresql":
        return RowCount(rows.count())
    expected = json.loads(rows.explain(format="json"))[0]["Plan"]["Plan Rows"]
    return RowCount(max(counted, expected), is_estimate=True)
