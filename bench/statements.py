"""What a call of the service asks the database, recorded from the service itself, and asked again by others.

A statement is repeated with the parameters that were recorded, but for those that vary. They are found by their values:
what the request had (an id, an address), what the service made up (an id, a time), and what an earlier statement
returned.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from unittest.mock import patch
from uuid import UUID, uuid4

import psycopg


class Statement(NamedTuple):
    sql: str
    parameters: Any  # a list or a dict, or None
    columns: list[str]
    rows: list[tuple[Any, ...]]
    in_transaction: bool

    @property
    def values(self) -> list[Any]:
        found = self.parameters.values() if isinstance(self.parameters, dict) else self.parameters or []
        return [value for value in found if not isinstance(value, list)]


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """The statements that are executed within the block, whichever way they reach psycopg."""
    statements: list[Statement] = []
    execute = psycopg.Cursor.execute

    def record(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
        result = execute(cursor, query, params, **options)
        rows = cursor.fetchall() if cursor.description else []
        if rows:
            cursor.scroll(0, mode="absolute")
        columns = [column.name for column in cursor.description or []]
        parameters = params if params is None or isinstance(params, dict) else list(params)
        statements.append(Statement(query, parameters, columns, rows, not cursor.connection.autocommit))
        return result

    with patch.object(psycopg.Cursor, "execute", record):
        yield statements


class Recording(NamedTuple):
    """A call's statements, and the values in them that vary.

    Attributes:
        facts: recorded value -> name of the fact of the request that it is.
        new_ids: what the service made up.
        times: recorded time -> how much later than the request it is.
        texts: recorded text -> the id that is in it.
        returned: for each statement, the columns of its first row whose values later statements have.
        answer: the service's, decoded.
    """

    statements: list[Statement]
    facts: dict[Any, str]
    new_ids: list[UUID]
    times: dict[Any, Any]
    texts: dict[str, UUID]
    returned: list[list[tuple[int, Any]]]
    answer: Any

    @classmethod
    def of(cls, statements: list[Statement], facts: dict[str, Any], at: datetime, answer: Any) -> "Recording":
        by_value = {value: name for name, value in facts.items()}
        returned: list[list[tuple[int, Any]]] = [[] for _ in statements]
        new_ids: list[UUID] = []
        times: dict[Any, Any] = {}
        for number, statement in enumerate(statements):
            for value in statement.values:
                if value in by_value:
                    continue
                source = source_of(value, statements[:number])
                if source:
                    returned[source[0]].append((source[1], value))
                elif isinstance(value, UUID):
                    new_ids.append(value)
                elif isinstance(value, datetime):
                    times[value] = value - at
                elif isinstance(value, float):
                    times[value] = value - at.timestamp()
        ids = [value for value in (*by_value, *new_ids) if isinstance(value, UUID)]
        unknown = {value for statement in statements for value in statement.values if isinstance(value, str)}
        texts = {text: known for text in unknown - set(by_value) for known in ids if str(known) in text}
        return cls(statements, by_value, list(dict.fromkeys(new_ids)), times, texts, returned, answer)

    def values_for(self, facts: dict[str, Any]) -> dict[Any, Any]:
        """What stands in another request for each of the recorded values."""
        now = datetime.now(UTC)
        seconds = now.timestamp()
        values = {value: facts[name] for value, name in self.facts.items()}
        for value in self.new_ids:
            values[value] = uuid4()
        for value, later in self.times.items():
            values[value] = now + later if isinstance(later, timedelta) else seconds + later
        for text, known in self.texts.items():
            values[text] = text.replace(str(known), str(values[known]))
        return values


def source_of(value: Any, earlier: list[Statement]) -> tuple[int, int] | None:
    """The statement and the column of its first row that have the value; a number counts only as an id just made."""
    if isinstance(value, int) and not isinstance(value, bool):
        made = bool(earlier) and earlier[-1].rows == [(value,)]
        return (len(earlier) - 1, 0) if made else None
    if isinstance(value, UUID | datetime):
        for number, statement in enumerate(earlier):
            if statement.rows and value in statement.rows[0]:
                return number, statement.rows[0].index(value)
    return None


def resolved(parameters: Any, values: dict[Any, Any]) -> Any:
    if isinstance(parameters, dict):
        return {name: values.get(value, value) for name, value in parameters.items()}
    return parameters and [value if isinstance(value, list) else values.get(value, value) for value in parameters]


def replay(connection: Any, recording: Recording, values: dict[Any, Any]) -> list[list[tuple[Any, ...]]]:
    """Executes the statements, in transactions as the service did. Returns the rows of each.

    Args:
        connection: psycopg's, or Django's.
    """
    found = []
    with connection.cursor() as cursor:
        open_ = False
        for statement, returned in zip(recording.statements, recording.returned, strict=True):
            if statement.in_transaction != open_:
                cursor.execute("BEGIN" if statement.in_transaction else "COMMIT")
                open_ = statement.in_transaction
            cursor.execute(statement.sql, resolved(statement.parameters, values))
            rows = cursor.fetchall() if statement.columns else []
            for column, value in returned:
                values[value] = rows[0][column]
            found.append(rows)
        if open_:
            cursor.execute("COMMIT")
    return found
