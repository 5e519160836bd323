"""Queries whose text never changes, for the few that are asked most.

A queryset is built, compiled and given its converters again for each call.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property, partial
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Field, Model

ON_POSTGRESQL = connection.vendor == "postgresql"
Row = tuple[Any, ...]


def fields_of(model: type[Model], *names: str, **renamed: str) -> "dict[str, Field[Any, Any]]":
    """Columns of a query: fields of the model, under their own names or under others."""
    fields = {field.name: field for field in model._meta.concrete_fields}
    return {name: fields[own] for name, own in ({name: name for name in names} | renamed).items()}


class FixedQuery:
    """A SELECT.

    Args:
        text: with a `%s` for each parameter.
        columns: by name, in order, the field of a model that has the same kind of values.
    """

    def __init__(self, text: str, columns: "dict[str, Field[Any, Any]]") -> None:
        self.text = text
        self.columns = columns

    def rows(self, *parameters: Any) -> list[Row]:
        with connection.cursor() as cursor:
            cursor.execute(self.text, parameters if ON_POSTGRESQL else [for_sqlite(value) for value in parameters])
            found: list[Row] = cursor.fetchall()
        return found if ON_POSTGRESQL else [self.from_sqlite(row) for row in found]

    def dicts(self, *parameters: Any) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows(*parameters)]

    def from_sqlite(self, row: Row) -> Row:
        values = list(row)
        for position, convert in self.converters:
            values[position] = convert(values[position])
        return tuple(values)

    @cached_property
    def converters(self) -> list[tuple[int, Callable[[Any], Any]]]:
        columns = [field.get_col(field.model._meta.db_table) for field in self.columns.values()]
        return [
            (position, partial(convert, expression=column, connection=connection))
            for position, column in enumerate(columns)
            for convert in connection.ops.get_db_converters(column) + column.get_db_converters(connection)
        ]


def for_sqlite(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
