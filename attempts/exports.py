"""The forms that an export has."""

from collections.abc import Iterable, Iterator
from typing import Any

from attempts.flows.history import EXPORTED
from core.downloads import json_array
from core.spreadsheets import CSV, csv_of

CSV_HEAD = (*EXPORTED, "is_solved")


def csv_lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    return csv_of(CSV_HEAD, ([row[name] for name in CSV_HEAD] for row in rows))


FORMATS = {"json": (json_array, "application/json"), "csv": (csv_lines, CSV)}
