"""How many attempts there are, without counting them: each has its rank among those like it, so the last one knows."""

# ruff: noqa: S608, SLF001 - statements are put together from what is in this file, and `_meta` is public

from bisect import bisect_left
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import User
from attempts.models import Attempt, Place

# The column of the rank among those that are alike in these, and in their outcome.
RANKS: dict[frozenset[str], str] = {
    frozenset(): "rank",
    frozenset({"question_id"}): "question_rank",
    frozenset({"language"}): "language_rank",
    frozenset({"question_id", "language"}): "pair_rank",
}
LAST = """coalesce((
    SELECT {rank} FROM attempts WHERE {alike} AND solved = {outcome} AND created_at < %({until})s
    ORDER BY created_at DESC, id DESC LIMIT 1
), 0)"""
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


def count(
    user: User,
    *,
    solved: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    **alike: Any,
) -> int:
    """How many attempts of the user pass the filters: as many as up to `until`, less those before `since`."""
    values = {name: prepared(name, value) for name, value in {"user_id": user.pk, **alike}.items()}
    condition = " AND ".join(f"{name} = %({name})s" for name in values)
    outcomes = ["true", "false"] if solved is None else [str(solved)]
    rank = RANKS[frozenset(alike)]

    def up_to(name: str, bound: datetime) -> str:
        values[name] = prepared("created_at", bound)
        return " + ".join(LAST.format(rank=rank, alike=condition, outcome=each, until=name) for each in outcomes)

    before = f" - ({up_to('since', since)})" if since else ""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {up_to('until', until or NEVER)}{before}", values)
        counted: int = cursor.fetchone()[0]
    return max(0, counted)


def prepared(column: str, value: Any) -> Any:
    field = next(field for field in Attempt._meta.concrete_fields if field.column == column)
    return field.get_db_prep_value(value, connection)


def skip(user: User, offset: int, *, until: datetime | None = None, **filters: Any) -> tuple[datetime, int] | None:
    """Where a deep page begins: a time to read up to, and how many attempts before it are to be skipped still.

    The time is one of whole seconds, found by halving what is between the first attempt and the last.

    Returns:
        None where there are no more than `offset` attempts.
    """
    oldest_wanted = count(user, until=until, **filters) - offset
    if oldest_wanted <= 0:
        return None
    times = Attempt.objects.history_of(user).values_list("created_at", flat=True)
    first, last = times.reverse().first(), times.first()
    if first is None or last is None:
        return None  # the account was deleted meanwhile

    def end(second: int) -> datetime:
        return min(datetime.fromtimestamp(second, UTC), until or NEVER)

    def reached(second: int) -> int:
        return count(user, until=end(second), **filters)

    seconds = range(int(first.timestamp()), int(last.timestamp()) + 1)
    second = seconds.start + bisect_left(seconds, oldest_wanted, key=reached)
    return end(second), max(0, reached(second) - oldest_wanted)


# --- Ranking anew ---------------------------------------------------------------------------------------------------

OUTCOME = "(total_tests > 0 AND passed_tests = total_tests)"
RANKED = ",\n    ".join(
    f"row_number() OVER (PARTITION BY {', '.join(['user_id', *sorted(alike)])}, {OUTCOME} ORDER BY created_at, id)"
    f" AS {rank}"
    for alike, rank in RANKS.items()
)
COLUMNS = ", ".join(RANKS.values())
DIFFER = f"({COLUMNS}) <> ({', '.join(f'right_{rank}' for rank in RANKS.values())})"
MISRANKED = f"""
SELECT user_id, count(*) FROM (
    SELECT user_id, {COLUMNS}, {RANKED.replace(" AS ", " AS right_")} FROM attempts WHERE {{whose}}
) ranked WHERE {DIFFER} GROUP BY user_id
"""
# On from what the last attempt before a part of a history has, of those that are like one in it.
ON_FROM_BEFORE = """row_number() OVER (PARTITION BY {columns} ORDER BY created_at, id) + coalesce((
            SELECT {rank} FROM attempts before
            WHERE {alike} AND (created_at, id) <= (%(after_at)s, %(after_id)s)
            ORDER BY created_at DESC, id DESC LIMIT 1
        ), 0) AS right_{rank}"""


def on_from_before(rank: str, columns: list[str]) -> str:
    alike = " AND ".join(f"before.{name} = part.{name}" for name in columns)
    return ON_FROM_BEFORE.format(rank=rank, columns=", ".join(columns), alike=alike)


RIGHT = ",\n        ".join(on_from_before(rank, ["user_id", "solved", *sorted(alike)]) for alike, rank in RANKS.items())
# Without a join of all: PostgreSQL guesses that few ranks are wrong, and might look for each in all the others.
RANK_ANEW = f"""
WITH part AS MATERIALIZED (
    SELECT id, user_id, question_id, language, solved, created_at, {COLUMNS} FROM attempts WHERE user_id = %(user_id)s
        AND (created_at, id) > (%(after_at)s, %(after_id)s) AND (created_at, id) <= (%(last_at)s, %(last_id)s)
),
wrong AS MATERIALIZED (
    SELECT * FROM (SELECT id AS wrong_id, {COLUMNS}, {RIGHT} FROM part) ranked WHERE {DIFFER}
)
UPDATE attempts SET {", ".join(f"{rank} = right_{rank}" for rank in RANKS.values())}
FROM wrong WHERE attempts.id = wrong_id
"""


def misranked(whose: str, values: dict[str, Any]) -> dict[UUID, int]:
    """How many attempts of each user have a wrong rank."""
    with connection.cursor() as cursor:
        cursor.execute(MISRANKED.format(whose=whose), values)
        return {UUID(str(user_id)): wrong for user_id, wrong in cursor.fetchall()}


def rank_anew(user: UUID, *, after: Place, last: Place) -> None:
    """Corrects the ranks of a part of the user's history that are wrong; those before it are right."""
    values = {"user_id": prepared("user_id", user), **places(after=after, last=last)}
    with connection.cursor() as cursor:
        cursor.execute(RANK_ANEW, values)


def places(**named: Place) -> dict[str, Any]:
    return {
        f"{name}_{part}": prepared(column, value)
        for name, place in named.items()
        for part, column, value in (("at", "created_at", place.created_at), ("id", "id", place.id))
    }
