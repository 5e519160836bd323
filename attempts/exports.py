"""The forms that an export has."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

from attempts.flows.history import EXPORTED
from core.downloads import json_array

CSV_HEAD = (*EXPORTED, "is_solved")
# Where a spreadsheet that splits at commas, semicolons, tabs or bars, and at line breaks, could find a formula: also
# behind spaces and quotes, and with a full-width sign. Such a run has no separator in it, which keeps the time linear.
FORMULA = re.compile(r"""(^|[,;|\t\r\n\v\f\x85\u2028\u2029])([ "'\u00a0]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")


def csv_lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """RFC 4180 CSV. An apostrophe is put before what a spreadsheet might run as a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(CSV_HEAD)
    for row in rows:
        writer.writerow([cell(row[name]) for name in CSV_HEAD])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def cell(value: Any) -> Any:
    if isinstance(value, str):
        return FORMULA.sub(r"\1\2'", value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value


FORMATS = {"json": (json_array, "application/json"), "csv": (csv_lines, "text/csv; charset=utf-8")}
