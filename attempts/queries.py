"""What a student's pages ask all the time, as fixed texts: in half the CPU time that querysets take."""

from attempts.models import LISTED, Attempt, QuestionStatus
from core.queries import FixedQuery, fields_of

ATTEMPT_COUNT = FixedQuery(
    "SELECT coalesce(sum(attempts), 0) FROM user_question_status WHERE user_id = %s",
    fields_of(QuestionStatus, "attempts"),
)
HISTORY_FIELDS = fields_of(Attempt, *LISTED, is_solved="solved")
# With the total in each row: two statements take 1.5 times the CPU time.
HISTORY = FixedQuery(
    f"""
    SELECT {", ".join(LISTED)}, solved AS is_solved, ({ATTEMPT_COUNT.text}) AS total FROM attempts
    WHERE user_id = %s ORDER BY created_at DESC, id DESC LIMIT %s OFFSET %s
    """,  # noqa: S608
    {**HISTORY_FIELDS, **fields_of(QuestionStatus, total="attempts")},
)

SHOWN = ("id", "question_id", "language", "submitted_code", "passed_tests", "total_tests", "created_at")
SHOWN_ATTEMPT = FixedQuery(
    f"SELECT {', '.join(SHOWN)} FROM attempts WHERE id = %s AND user_id = %s",  # noqa: S608
    fields_of(Attempt, *SHOWN),
)

SUMMARY = FixedQuery(
    """
    SELECT coalesce(sum(attempts), 0) AS total_attempts, count(solved_at) AS solved,
        max(last_attempt_at) AS last_attempt_at
    FROM user_question_status WHERE user_id = %s
    """,
    fields_of(QuestionStatus, total_attempts="attempts", solved="attempts", last_attempt_at="last_attempt_at"),
)

QUESTION_FIELDS = (
    "question_id",
    "attempts",
    "best_passed_tests",
    "total_tests",
    "best_runtime_ms",
    "first_attempt_at",
    "last_attempt_at",
    "solved_at",
)
QUESTION_PAGE = FixedQuery(
    f"""
    SELECT {", ".join(QUESTION_FIELDS)} FROM user_question_status
    WHERE user_id = %s AND question_id > %s ORDER BY question_id LIMIT %s
    """,  # noqa: S608
    fields_of(QuestionStatus, *QUESTION_FIELDS),
)
QUESTION_COUNT = FixedQuery(
    "SELECT count(*) FROM user_question_status WHERE user_id = %s", fields_of(QuestionStatus, "attempts")
)

STATISTICS = FixedQuery(
    """
    SELECT sum(attempts), sum(solving_attempts), count(solved_at), sum(attempts_to_solve)
    FROM user_question_status WHERE user_id = %s
    """,
    fields_of(QuestionStatus, attempts="attempts", solving="attempts", questions="attempts", to_solve="attempts"),
)
BY_LANGUAGE = FixedQuery(
    """
    SELECT language, count(*) AS attempts, count(*) FILTER (WHERE solved) FROM attempts
    WHERE user_id = %s GROUP BY language ORDER BY attempts DESC, language
    """,
    fields_of(Attempt, language="language", attempts="question_id", solved="question_id"),
)
# Of the days that begin at the times of an array, the ordinal numbers of those with attempts; on PostgreSQL alone.
BY_DAY = FixedQuery(
    """
    SELECT width_bucket(created_at, %s::timestamptz[]) AS day, count(*), count(*) FILTER (WHERE solved) FROM attempts
    WHERE user_id = %s AND created_at >= %s AND created_at < %s GROUP BY day
    """,
    fields_of(QuestionStatus, day="attempts", made="attempts", solving="attempts"),
)
