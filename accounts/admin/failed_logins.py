"""What stands above a list of failed logins: how many, and which users, client addresses and agents most are of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

from axes.models import AccessFailureLog
from django.db.models import Count, Q
from django.utils import timezone

from accounts.devices import agent_name

MOST_ROWS = 100_000  # looked at, the newest of a list
TOP = 10
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {  # title, and how a value is named
    "username": ("Users", str),
    "ip_address": ("Client addresses", str),
    "user_agent": ("Agents", agent_name),
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
        rows: that were counted, at most `MOST_ROWS`.
        days: links to the same list of other days: title, address, whether it is the present one.
    """

    rows: int
    locks: int
    tops: list[tuple[str, list[TopRow]]]
    days: list[tuple[str, str, bool]]

    @classmethod
    def of(cls, changelist: Any) -> Self:
        newest = AccessFailureLog.objects.filter(pk__in=changelist.queryset.values("pk")[:MOST_ROWS])
        counts = newest.aggregate(rows=Count("pk"), locks=Count("pk", filter=Q(locked_out=True)))
        tops = [(title, top_rows(newest, changelist, column, name)) for column, (title, name) in COLUMNS.items()]
        return cls(**counts, tops=tops, days=links_to_days(changelist))

    @property
    def is_cut(self) -> bool:
        return self.rows == MOST_ROWS


def top_rows(failures: Any, changelist: Any, column: str, name: Callable[[Any], str]) -> list[TopRow]:
    found = failures.exclude(**{column: None}).order_by().values_list(column).annotate(count=Count("pk"))
    return [
        TopRow(name(value), str(value), count, changelist.get_query_string({column: value}, ["p"]))
        for value, count in found.order_by("-count", column)[:TOP]
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
