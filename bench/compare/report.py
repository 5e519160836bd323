"""The tables of a comparison."""

from collections.abc import Iterator
from itertools import groupby
from statistics import median
from typing import NamedTuple

ARGON2 = "argon2-cffi"
OURS = "ours"


class Measurement(NamedTuple):
    """One load of one server. Processor time is in microseconds for each request, latency in milliseconds."""

    call: str
    connections: int
    server: str
    round: int
    rate: float
    cpu_us: float | None = None
    database_us: float | None = None
    p50: float | None = None
    p99: float | None = None
    others: float | None = None


class Memory(NamedTuple):
    """MiB of RSS of each worker, before the load and after it."""

    server: str
    started_in: float
    before: list[int]
    after: list[int]


def tables(found: list[Measurement], memory: list[Memory]) -> str:
    head = ("call", "connections", "server", "requests/s", "spread", "ours is × it")
    head += ("CPU µs", "PostgreSQL µs", "p50 ms", "p99 ms", "others, cores")
    servers = [(one.server, len(one.after), max(one.before), max(one.after), f"{one.started_in:.2f}") for one in memory]
    return "\n\n".join(
        (
            table(head, rows(found)),
            table(("server", "workers", "MiB of the largest", "after the load", "start, s"), servers),
        )
    )


def rows(found: list[Measurement]) -> Iterator[tuple[str, ...]]:
    """A line for each server: medians over the rounds."""
    order = {one.call: None for one in found}
    for call in order:
        of_call = sorted((one for one in found if one.call == call and not is_hashing(one)), key=cell)
        for (connections, server), group in groupby(of_call, key=cell):
            runs = list(group)
            yield (call, str(connections), server, *figures(runs, ours_of(found, call, connections)))
        hashing = [list(runs) for _, runs in groupby(sorted(filter(is_hashing, found), key=cell), key=cell)]
        if call == "login" and hashing:
            best = max(hashing, key=lambda runs: median(one.rate for one in runs))
            yield (call, "", best[0].server, *figures(best, ours_of(found, call)))


def cell(one: Measurement) -> tuple[int, str]:
    return one.connections, one.server


def is_hashing(one: Measurement) -> bool:
    return one.server.startswith(ARGON2)


def ours_of(found: list[Measurement], call: str, connections: int | None = None) -> dict[int, float]:
    """The service's rate in each round."""
    runs = [one for one in found if one.call == call and one.server == OURS]
    return {one.round: one.rate for one in runs if connections in {None, one.connections}}


def figures(runs: list[Measurement], ours: dict[int, float]) -> Iterator[str]:
    rates = [one.rate for one in runs]
    middle = median(rates)
    yield f"{middle:.0f}" if middle >= 100 else f"{middle:.1f}"
    yield f"± {(max(rates) - min(rates)) / 2 / middle:.0%}"
    ratios = [ours[one.round] / one.rate for one in runs if one.round in ours and one.server != OURS]
    yield f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else ""
    for name, digits in (("cpu_us", 0), ("database_us", 0), ("p50", 2), ("p99", 2), ("others", 2)):
        values = [getattr(one, name) for one in runs]
        yield "" if None in values else f"{median(values):,.{digits}f}"


def table(head: tuple[str, ...], lines: object) -> str:
    """As Markdown, in columns that also read well as they are."""
    cells = [head, *[tuple(map(str, line)) for line in lines]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    return "\n".join([padded[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *padded[1:]])
