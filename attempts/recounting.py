"""The SQL that counts all attempts again, and compares."""

# ruff: noqa: S608, SLF001 - statements are put together from what is in this file, and `_meta` is public

from typing import Any

from django.db import connection, models

from accounts.models import User
from attempts.counting import QUARTER
from attempts.models import LanguageCount, PairCount, QuarterHour, QuestionStatus, Totals

COUNTED = """
SELECT user_id, question_id, passed_tests, total_tests, runtime_ms, created_at,
    solved, max(passed_tests) OVER question AS best,
    min(CASE WHEN solved THEN created_at END) OVER question AS solved_at
FROM attempts WHERE {whose} WINDOW question AS (PARTITION BY user_id, question_id)
"""
RECOUNTS: dict[type[models.Model], str] = {
    QuestionStatus: f"""
SELECT user_id, question_id, count(*) AS attempts, sum(CASE WHEN solved THEN 1 ELSE 0 END) AS solving_attempts,
    best AS best_passed_tests,
    min(CASE WHEN passed_tests = best THEN total_tests END) AS total_tests,
    min(CASE WHEN solved THEN runtime_ms END) AS best_runtime_ms,
    min(created_at) AS first_attempt_at, max(created_at) AS last_attempt_at, min(solved_at) AS solved_at
FROM ({COUNTED}) counted GROUP BY user_id, question_id, best
""",
    Totals: f"""
SELECT user_id, count(*) AS attempts, sum(CASE WHEN solved THEN 1 ELSE 0 END) AS solving_attempts,
    count(DISTINCT question_id) AS questions,
    count(DISTINCT CASE WHEN solved THEN question_id END) AS solved_questions,
    sum(CASE WHEN created_at <= solved_at THEN 1 ELSE 0 END) AS attempts_to_solve, max(created_at) AS last_attempt_at
FROM ({COUNTED}) counted GROUP BY user_id
""",
    LanguageCount: """
SELECT user_id, language, count(*) AS attempts, sum(CASE WHEN solved THEN 1 ELSE 0 END) AS solved
FROM attempts WHERE {whose} GROUP BY user_id, language
""",
    PairCount: """
SELECT user_id, question_id, language, count(*) AS attempts, sum(CASE WHEN solved THEN 1 ELSE 0 END) AS solved
FROM attempts WHERE {whose} GROUP BY user_id, question_id, language
""",
    QuarterHour: f"""
SELECT user_id, {QUARTER.format(at="created_at")} AS quarter, count(*) AS attempts,
    sum(CASE WHEN solved THEN 1 ELSE 0 END) AS solved
FROM attempts WHERE {{whose}} GROUP BY user_id, 2
""",
}
# One statement sees one state, so attempts that arrive meanwhile are in both or in neither.
DIFFERENCES = """
WITH counted AS ({recount}), kept AS (SELECT {columns} FROM {table} WHERE {whose} AND {kept})
SELECT 'counted' AS side, more.* FROM (SELECT {columns} FROM counted EXCEPT SELECT {columns} FROM kept) more
UNION ALL
SELECT 'stored' AS side, less.* FROM (SELECT {columns} FROM kept EXCEPT SELECT {columns} FROM counted) less
ORDER BY 2, 3, 1
"""
# The totals of a user without attempts may be there or not.
BEGUN = "(attempts > 0 OR solving_attempts + questions + solved_questions + attempts_to_solve > 0)"


def columns(model: type[models.Model]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields if field.name not in {"id", "pk"}]


def differences(model: type[models.Model], whose: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What is stored and what is counted where they differ: the side, the user, and the columns after that."""
    statement = DIFFERENCES.format(
        recount=RECOUNTS[model].format(whose=whose),
        columns=", ".join(columns(model)),
        table=model._meta.db_table,
        whose=whose,
        kept=BEGUN if model is Totals else "true",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def store_recount(model: type[models.Model], whose: str, values: dict[str, Any], *, table: str = "") -> None:
    """Inserts what is counted, into another table where one is given; there must be nothing of those users."""
    names = ", ".join(columns(model))
    recount = RECOUNTS[model].format(whose=whose)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table or model._meta.db_table} ({names}) SELECT {names} FROM ({recount}) counted", values
        )


def count_beside(whose: str, values: dict[str, Any]) -> None:
    """Counts into tables of this connection, so that the counts themselves are locked only to change places."""
    for model in RECOUNTS:
        table, names = model._meta.db_table, ", ".join(columns(model))
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TEMPORARY TABLE IF NOT EXISTS new_{table} AS SELECT {names} FROM {table} WHERE false"
            )
            cursor.execute(f"DELETE FROM new_{table}")
        store_recount(model, whose, values, table=f"new_{table}")


def take_recount(user: User) -> None:
    """Puts what was counted beside in the place of the user's counts."""
    for model in RECOUNTS:
        table, names = model._meta.db_table, ", ".join(columns(model))
        model._base_manager.filter(user=user).delete()
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM new_{table}")
