"""Rows as CSV that is safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from core.downloads import to_json

CSV = "text/csv; charset=utf-8"
# Where a spreadsheet that splits at commas, semicolons, tabs or bars, and at line breaks, could find a formula: also
# behind spaces and quotes, and with a full-width sign. Such a run has no separator in it, which keeps the time linear.
FORMULA = re.compile(r"""(^|[,;|\t\r\n\v\f\x85\u2028\u2029])([ "'\u00a0]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """RFC 4180 CSV, a line at a time. An apostrophe is put before what a spreadsheet might run as a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def cell(value: Any) -> Any:
    if isinstance(value, dict):
        value = to_json(value).decode()
    if isinstance(value, str):
        return FORMULA.sub(r"\1\2'", value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value
