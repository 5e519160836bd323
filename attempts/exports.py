"""The forms that an export has."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from attempts.flows.history import EXPORTED
from core.downloads import json_array

COLUMNS = (*EXPORTED, "is_solved")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """RFC 4180 CSV. Text that a spreadsheet might run as a formula is put behind an apostrophe."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([cell(row[name]) for name in COLUMNS])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value


FORMATS = {"json": (json_array, "application/json"), "csv": (csv_lines, "text/csv; charset=utf-8")}
