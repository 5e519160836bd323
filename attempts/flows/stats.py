"""Comparing the statuses of questions with the attempts that they count, and counting again what differs."""

# ruff: noqa: S608 - the statements are put together from what is in this file

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import UUIDField

from accounts.models import User
from attempts.models import QuestionStatus
from core.postgresql import limit_statements
from core.times import moment

STATUS_COLUMNS = (
    "user_id, question_id, attempts, solving_attempts, attempts_to_solve, best_passed_tests, total_tests, "
    "best_runtime_ms, first_attempt_at, last_attempt_at, solved_at"
)
# What the statuses should be: what `recording.UPSERT_STATUS` comes to, attempt by attempt.
RECOUNT = """
SELECT user_id, question_id, count(*) AS attempts, sum(CASE WHEN solved THEN 1 ELSE 0 END) AS solving_attempts,
    CASE WHEN solved_at IS NOT NULL THEN sum(CASE WHEN created_at <= solved_at THEN 1 ELSE 0 END) END
        AS attempts_to_solve,
    best AS best_passed_tests, min(CASE WHEN passed_tests = best THEN total_tests END) AS total_tests,
    min(CASE WHEN solved THEN runtime_ms END) AS best_runtime_ms,
    min(created_at) AS first_attempt_at, max(created_at) AS last_attempt_at, solved_at
FROM (
    SELECT user_id, question_id, passed_tests, total_tests, runtime_ms, created_at, solved,
        max(passed_tests) OVER question AS best, min(CASE WHEN solved THEN created_at END) OVER question AS solved_at
    FROM attempts WHERE user_id BETWEEN %(first)s AND %(last)s
    WINDOW question AS (PARTITION BY user_id, question_id)
) counted
GROUP BY user_id, question_id, best, solved_at
"""
# One statement sees one state: an attempt that is recorded meanwhile is on both sides or on neither.
DIFFERENCES = f"""
WITH counted AS ({RECOUNT}),
stored AS (SELECT {STATUS_COLUMNS} FROM user_question_status WHERE user_id BETWEEN %(first)s AND %(last)s)
SELECT 'counted' AS side, more.* FROM (SELECT {STATUS_COLUMNS} FROM counted EXCEPT SELECT * FROM stored) more
UNION ALL
SELECT 'stored' AS side, less.* FROM (SELECT * FROM stored EXCEPT SELECT {STATUS_COLUMNS} FROM counted) less
ORDER BY 2, 3, 1
"""


@dataclass(frozen=True)
class Difference:
    """A status as it is stored, or as it is counted."""

    side: str
    user_id: UUID
    facts: tuple[Any, ...]

    @property
    def document(self) -> dict[str, Any]:
        names = STATUS_COLUMNS.split(", ")[1:]
        return {"user_id": self.user_id, "side": self.side, **dict(zip(names, self.facts, strict=True))}


def verify() -> list[Difference]:
    """The statuses that differ from a recount, as they are and as they should be."""
    limit_statements(connection, None)  # no client waits for a recount of a whole table
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(DIFFERENCES, user_range(UUID(int=0), UUID(int=2**128 - 1)))
        return [Difference(side, UUID(str(user)), tuple(facts)) for side, user, *facts in cursor.fetchall()]


def in_words(differences: list[Difference]) -> Iterator[str]:
    """A line for each question: whose it is, and in what its status differs."""
    users = User.objects.only("email").in_bulk({each.user_id for each in differences})
    pairs: dict[tuple[UUID, int], dict[str, dict[str, Any]]] = {}
    for each in differences:
        pairs.setdefault((each.user_id, each.facts[0]), {})[each.side] = each.document
    for (user, question), sides in pairs.items():
        if len(sides) == 1:
            wrong = "is missing" if "counted" in sides else "is stored without an attempt"
        else:
            stored, counted = sides["stored"], sides["counted"]
            names = [name for name in STATUS_COLUMNS.split(", ") if stored[name] != counted[name]]
            wrong = ", ".join(f"{name} is {shown(stored[name])} instead of {shown(counted[name])}" for name in names)
        yield f"{users.get(user, user)}, question {question}: {wrong}"


def shown(fact: Any) -> str:
    return "empty" if fact is None else moment(fact) if isinstance(fact, datetime) else str(fact)


def rebuild() -> int:
    """Counts again for every user with a status that differs, and returns how many those are."""
    users = sorted({difference.user_id for difference in verify()})
    for user in users:
        rebuild_user(user)
    return len(users)


@transaction.atomic
def rebuild_user(user: UUID) -> None:
    """Counts again for one user, whose row new attempts wait for meanwhile."""
    if User.objects.select_for_update().filter(pk=user).exists():
        QuestionStatus.objects.filter(user=user).delete()
        count_statuses(user, user)


def count_statuses(first: UUID, last: UUID) -> None:
    """Stores the missing statuses of the users with these ids and all between."""
    limit_statements(connection, None)
    with connection.cursor() as cursor:
        insert = f"INSERT INTO user_question_status ({STATUS_COLUMNS}) {RECOUNT} ON CONFLICT DO NOTHING"
        cursor.execute(insert, user_range(first, last))


def user_range(first: UUID, last: UUID) -> dict[str, Any]:
    return {
        "first": UUIDField().get_db_prep_value(first, connection),
        "last": UUIDField().get_db_prep_value(last, connection),
    }
