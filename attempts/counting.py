"""The SQL that counts an attempt: it adds one to every count at once."""

# ruff: noqa: S608, SLF001 - statements are put together from what is in this file, and `_meta` is public

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db import connection, transaction

from accounts.models import User
from attempts.models import Attempt

ON_POSTGRESQL = connection.vendor == "postgresql"

# Which quarter of an hour a time is in.
QUARTER = "CAST(floor(extract(epoch FROM {at}) / 900) AS integer)"
if not ON_POSTGRESQL:
    QUARTER = "CAST(strftime('%%s', {at}) AS integer) / 900"

# --- Adding an attempt ----------------------------------------------------------------------------------------------

# Each reads who and when from `held`. A user's attempts come one after the other, each later than the one before.
# What counts those like an attempt returns its rank.
ADD_ATTEMPT = """
INSERT INTO attempts (
    id, user_id, question_id, language, submitted_code, passed_tests, total_tests, runtime_ms, created_at,
    rank, question_rank, language_rank, pair_rank
)
SELECT %(id)s, user_id, %(question_id)s, %(language)s, %(submitted_code)s, %(passed_tests)s, %(total_tests)s,
    CAST(%(runtime_ms)s AS integer), at, held.rank, status.rank, language.rank, pair.rank
FROM held, status, language, pair
"""
# A count that is too low, by whatever hand, costs no attempt: `stats rebuild` puts it right, and the ranks with it.
RANK = """CASE WHEN %(solved)s = 1 THEN {solving} WHEN attempts > {solving} THEN attempts - {solving} ELSE 0 END
    AS rank"""
ADD_STATUS = f"""
INSERT INTO user_question_status AS had (
    user_id, question_id, attempts, solving_attempts, best_passed_tests, total_tests, best_runtime_ms, first_attempt_at,
    last_attempt_at, solved_at
)
SELECT user_id, %(question_id)s, 1, %(solved)s, %(passed_tests)s, %(total_tests)s,
    CASE WHEN %(solved)s = 1 THEN CAST(%(runtime_ms)s AS integer) END, at, at,
    CASE WHEN %(solved)s = 1 THEN at END
FROM held WHERE true
ON CONFLICT (user_id, question_id) DO UPDATE SET
    attempts = had.attempts + 1,
    solving_attempts = had.solving_attempts + excluded.solving_attempts,
    total_tests = CASE
        WHEN excluded.best_passed_tests > had.best_passed_tests THEN excluded.total_tests
        WHEN excluded.best_passed_tests = had.best_passed_tests AND excluded.total_tests < had.total_tests
            THEN excluded.total_tests
        ELSE had.total_tests END,
    best_passed_tests = CASE
        WHEN excluded.best_passed_tests > had.best_passed_tests THEN excluded.best_passed_tests
        ELSE had.best_passed_tests END,
    best_runtime_ms = CASE
        WHEN had.best_runtime_ms IS NULL OR excluded.best_runtime_ms < had.best_runtime_ms
            THEN excluded.best_runtime_ms
        ELSE had.best_runtime_ms END,
    last_attempt_at = excluded.last_attempt_at,
    solved_at = coalesce(had.solved_at, excluded.solved_at)
RETURNING attempts, CASE WHEN solved_at = last_attempt_at THEN 1 ELSE 0 END AS first_solve,
    {RANK.format(solving="solving_attempts")}
"""
ADD_LANGUAGE = f"""
INSERT INTO user_language_counts AS had (user_id, language, attempts, solved)
SELECT user_id, %(language)s, 1, %(solved)s FROM held WHERE true
ON CONFLICT (user_id, language) DO UPDATE SET
    attempts = had.attempts + 1, solved = had.solved + excluded.solved
RETURNING {RANK.format(solving="solved")}
"""
ADD_PAIR = f"""
INSERT INTO user_question_language_counts AS had (user_id, question_id, language, attempts, solved)
SELECT user_id, %(question_id)s, %(language)s, 1, %(solved)s FROM held WHERE true
ON CONFLICT (user_id, question_id, language) DO UPDATE SET
    attempts = had.attempts + 1, solved = had.solved + excluded.solved
RETURNING {RANK.format(solving="solved")}
"""
ADD_ACTIVITY = f"""
INSERT INTO user_activity AS had (user_id, quarter, attempts, solved)
SELECT user_id, {QUARTER.format(at="at")}, 1, %(solved)s FROM held WHERE true
ON CONFLICT (user_id, quarter) DO UPDATE SET
    attempts = had.attempts + 1, solved = had.solved + excluded.solved
"""
ADD_TOTALS = """
INSERT INTO user_attempt_totals AS had (
    user_id, attempts, solving_attempts, questions, solved_questions, attempts_to_solve, last_attempt_at
)
SELECT user_id, 1, %(solved)s, CASE WHEN status.attempts = 1 THEN 1 ELSE 0 END, first_solve,
    first_solve * status.attempts, at
FROM held, status WHERE true
ON CONFLICT (user_id) DO UPDATE SET
    attempts = had.attempts + 1,
    solving_attempts = had.solving_attempts + excluded.solving_attempts,
    questions = had.questions + excluded.questions,
    solved_questions = had.solved_questions + excluded.solved_questions,
    attempts_to_solve = had.attempts_to_solve + excluded.attempts_to_solve,
    last_attempt_at = excluded.last_attempt_at
RETURNING last_attempt_at
"""

# All of it in one statement. The share of the user's row comes first: so an attempt and the deletion of its account
# cannot wait for each other, and one of a deleted account finds nothing. The totals' row makes a user's attempts queue.
ADD_AT_ONCE = f"""
WITH held AS (
    SELECT totals.user_id, CASE
        WHEN totals.last_attempt_at >= %(at)s THEN totals.last_attempt_at + interval '1 microsecond'
        ELSE %(at)s END AS at,
        1 + {RANK.format(solving="solving_attempts")}
    FROM users JOIN user_attempt_totals totals ON totals.user_id = users.id
    WHERE users.id = %(user_id)s
    FOR KEY SHARE OF users FOR NO KEY UPDATE OF totals
),
status AS ({ADD_STATUS}),
language AS ({ADD_LANGUAGE}),
pair AS ({ADD_PAIR}),
attempt AS ({ADD_ATTEMPT}),
activity AS ({ADD_ACTIVITY})
{ADD_TOTALS}
"""
BEGIN_TOTALS = """
INSERT INTO user_attempt_totals (
    user_id, attempts, solving_attempts, questions, solved_questions, attempts_to_solve
)
SELECT id, 0, 0, 0, 0, 0 FROM users WHERE id = %(user_id)s FOR KEY SHARE
ON CONFLICT DO NOTHING
"""
# SQLite writes nothing from a WITH, and one transaction at a time writes: the same, one after the other.
HELD = "WITH held AS (SELECT %(user_id)s AS user_id, %(at)s AS at, %(rank)s AS rank)"
LAST = f"""
SELECT totals.last_attempt_at, 1 + coalesce({RANK.format(solving="solving_attempts").removesuffix("AS rank")}, 0)
FROM users LEFT JOIN user_attempt_totals totals ON totals.user_id = users.id
WHERE users.id = %(user_id)s
"""
ADDED = """,
status AS (SELECT %(attempts)s AS attempts, %(first_solve)s AS first_solve, %(question_rank)s AS rank),
language AS (SELECT %(language_rank)s AS rank),
pair AS (SELECT %(pair_rank)s AS rank)
"""


def hold(user: User) -> bool:
    """Takes the share of the user's row that keeps the account from being deleted until the transaction ends.

    It comes before any other lock, as in `ADD_AT_ONCE` and in the deletion, so that none waits for the other in a ring.

    Returns:
        False where the account is gone.
    """
    share = "FOR KEY SHARE" if ON_POSTGRESQL else ""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM users WHERE id = %s {share}", [prepared(User._meta.pk, user.pk)])
        return cursor.fetchone() is not None


def add(attempt: Attempt) -> bool:
    """Stores the attempt and adds it to every count, all or nothing. Moves its time on where the user has a later one.

    Returns:
        False where the account is gone.
    """
    fields = [field for field in Attempt._meta.concrete_fields if not field.generated]
    values = {str(field.column): prepared(field, getattr(attempt, field.attname)) for field in fields}
    values |= {"at": values["created_at"], "solved": int(attempt.is_solved)}
    at = add_at_once(values) if ON_POSTGRESQL else add_in_steps(attempt, values)
    if at is None:
        return False
    attempt.created_at = at
    return True


def prepared(field: Any, value: Any) -> Any:
    return field.get_db_prep_save(value, connection)


def add_at_once(values: dict[str, Any]) -> datetime | None:
    with connection.cursor() as cursor:
        for begun in count():
            cursor.execute(ADD_AT_ONCE, values)
            if row := cursor.fetchone():
                at: datetime = row[0]
                return at
            if begun:  # no user; or a recount has just replaced the totals, and the next try finds them
                cursor.execute("SELECT 1 FROM users WHERE id = %(user_id)s", values)
                if cursor.fetchone() is None:
                    return None
            cursor.execute(BEGIN_TOTALS, values)  # the user's first attempt
    return None


def add_in_steps(attempt: Attempt, values: dict[str, Any]) -> datetime | None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LAST, values)
        row = cursor.fetchone()
        if row is None:
            return None
        last, values["rank"] = row
        at = attempt.created_at
        if last:
            at = max(at, last.replace(tzinfo=UTC) + timedelta(microseconds=1))
        values["at"] = prepared(Attempt._meta.get_field("created_at"), at)

        def added(statement: str) -> tuple[Any, ...]:
            cursor.execute(HELD + statement, values)
            return cursor.fetchone() or ()

        values["attempts"], values["first_solve"], values["question_rank"] = added(ADD_STATUS)
        values["language_rank"], values["pair_rank"] = *added(ADD_LANGUAGE), *added(ADD_PAIR)
        for statement in (ADD_ACTIVITY, ADDED + ADD_ATTEMPT, ADDED + ADD_TOTALS):
            cursor.execute(HELD + statement, values)
    return at
