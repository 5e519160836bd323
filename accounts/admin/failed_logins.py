"""What stands above a list of failed logins: how many, and which users, IP addresses and devices most are of."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

from django.utils import timezone

from accounts.devices import agent_name
from core.estimates import EXACT_UP_TO

TOP = 10
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {  # title, and how a value is named
    "username": ("Users", str),
    "ip_address": ("IP addresses", str),
    "user_agent": ("Devices", agent_name),
}


@dataclass(frozen=True)
class TopRow:
    name: str
    value: str  # tells apart what has one name
    count: int
    link: str


@dataclass(frozen=True)
class Overview:
    """
    Args:
        rows: that were counted, at most as many as a list shows.
        days: links to the same list of other days: title, address, whether it is the present one.
    """

    rows: int
    locks: int
    tops: list[tuple[str, list[TopRow]]]
    days: list[tuple[str, str, bool]]

    @classmethod
    def of(cls, changelist: Any) -> Self:
        columns = (*COLUMNS, "locked_out")
        newest = list(changelist.queryset.values(*columns)[:EXACT_UP_TO])
        tops = [
            (title, top_rows(Counter(row[column] for row in newest), changelist, column, name))
            for column, (title, name) in COLUMNS.items()
        ]
        return cls(len(newest), sum(row["locked_out"] for row in newest), tops, links_to_days(changelist))


def top_rows(counts: Counter[Any], changelist: Any, column: str, name: Callable[[Any], str]) -> list[TopRow]:
    return [
        TopRow(name(value), str(value), count, changelist.get_query_string({column: value}, ["p"]))
        for value, count in counts.most_common(TOP)
        if value is not None
    ]


def links_to_days(changelist: Any) -> list[tuple[str, str, bool]]:
    today = timezone.now().date()
    chosen = [changelist.params.get(f"attempt_time_{end}", "") for end in ("from", "to")]
    days: dict[str, date | str] = {"Today": today, "Yesterday": today - timedelta(1), "All days": ""}
    return [
        (
            title,
            changelist.get_query_string({"attempt_time_from": day, "attempt_time_to": day}, ["p"]),
            chosen == [str(day)] * 2,
        )
        for title, day in days.items()
    ]
