"""The export of a list of the admin site."""

from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.audit.log import Actor, Kind, record
from core.spreadsheets import csv_of


def export_list(
    name: str, rows: QuerySet[Any], columns: list[str], *, count: int, filters: list[str], by: Actor
) -> Iterator[bytes]:
    """CSV, after an audit entry: a download that is refused takes no line, and leaves no entry.

    Args:
        columns: lookups, such as `user__email`.
        filters: the names of those that apply. What they look for may be personal, so it is not recorded.
    """
    with transaction.atomic():
        record(Kind.LIST_EXPORTED, by=by, list=name, rows=count, filters=", ".join(filters))
    yield from csv_of([column.replace("__", "_") for column in columns], rows.values_list(*columns).iterator())
