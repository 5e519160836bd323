"""What an import says in the end."""

from collections.abc import Iterator, Sequence
from typing import Any

from peerprep_users.legacy.importing import Importer, Result
from peerprep_users.legacy.report import Report

DIFFERENCES_SHOWN = 10


def table(rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """The first column to the left, the others to the right."""
    widths = [max(len(str(row[place])) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        first, *others = (str(cell) for cell in row)
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells)


def counts_of(importer: Importer, *, dry_run: bool) -> Iterator[str]:
    imported, there = importer.result.imported, importer.result.there
    rows = [
        (name, number, imported[name], "?" if dry_run else there[name], importer.report.not_imported(name))
        for name, number in importer.counts.items()
    ]
    yield from table([("", "read", "to import" if dry_run else "imported", "there before", "not imported"), *rows])


def reasons_of(report: Report) -> Iterator[str]:
    for (where, reason, outcome), number in sorted(report.counts.items()):
        yield f"{where}: {reason}: {number} ({outcome})"


def reconciliation_of(result: Result) -> Iterator[str]:
    for name, read in result.read.items():
        yield f"{name}: read {read}, stored {result.stored[name]}"
    yield from (f"not as it was read: {row}" for row in result.different[:DIFFERENCES_SHOWN])
    if len(result.different) > DIFFERENCES_SHOWN:
        yield f"and {len(result.different) - DIFFERENCES_SHOWN} more"


def facts_of(importer: Importer, *, dry_run: bool) -> dict[str, Any]:
    """The same for a program."""
    result = importer.result
    imported = "to_import" if dry_run else "imported"
    return {
        "tables": {
            name: {
                "read": number,
                imported: result.imported[name],
                "there_before": None if dry_run else result.there[name],
                "not_imported": importer.report.not_imported(name),
            }
            for name, number in importer.counts.items()
        },
        "problems": [
            {"table": where, "reason": reason, "outcome": outcome, "rows": number}
            for (where, reason, outcome), number in sorted(importer.report.counts.items())
        ],
        "different": result.different,
    }
