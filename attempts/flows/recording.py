"""Recording an attempt."""

# ruff: noqa: S608 - the statements are put together from what is in this file

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from orjson import OPT_SORT_KEYS, dumps

from accounts.flows.sessions import EmailNotVerified
from accounts.models import User
from attempts.metrics import REPLAYED, SOLVED, UNSOLVED
from attempts.models import Attempt, IdempotencyKey, QuestionStatus
from core.errors import ApiError, NotAuthenticated, NotFound
from core.events import emit
from core.models import Event
from core.queries import ON_POSTGRESQL, for_sqlite
from core.rate_limits import spend_of

# The share of the user's row comes before every other lock, as in the deletion of an account: so neither can wait for
# the other in a ring, and an attempt of a deleted account finds no row to select.
SHARE = "FOR KEY SHARE" if ON_POSTGRESQL else ""
# A user's attempts at a question queue at its status, and each gets a time after the last one's, even if its clock went
# back. So they are counted in the order of their times. SQLite cannot add a microsecond; `insert_on_sqlite` has.
AT = "excluded.last_attempt_at"
if ON_POSTGRESQL:
    AT = "greatest(excluded.last_attempt_at, had.last_attempt_at + interval '1 microsecond')"
UPSERT_STATUS = f"""
INSERT INTO user_question_status AS had (
    user_id, question_id, attempts, solving_attempts, attempts_to_solve, best_passed_tests, total_tests,
    best_runtime_ms, first_attempt_at, last_attempt_at, solved_at
)
SELECT id, %(question_id)s, 1, %(solving_attempts)s, %(attempts_to_solve)s, %(passed_tests)s, %(total_tests)s,
    %(best_runtime_ms)s, %(created_at)s, %(created_at)s, %(solved_at)s
FROM users WHERE id = %(user_id)s {SHARE}
ON CONFLICT (user_id, question_id) DO UPDATE SET
    attempts = had.attempts + 1,
    solving_attempts = had.solving_attempts + excluded.solving_attempts,
    attempts_to_solve = coalesce(had.attempts_to_solve, had.attempts + excluded.attempts_to_solve),
    best_passed_tests = CASE
        WHEN excluded.best_passed_tests > had.best_passed_tests THEN excluded.best_passed_tests
        ELSE had.best_passed_tests END,
    total_tests = CASE
        WHEN excluded.best_passed_tests > had.best_passed_tests
            OR excluded.best_passed_tests = had.best_passed_tests AND excluded.total_tests < had.total_tests
        THEN excluded.total_tests ELSE had.total_tests END,
    best_runtime_ms = CASE
        WHEN had.best_runtime_ms IS NULL OR excluded.best_runtime_ms < had.best_runtime_ms
        THEN excluded.best_runtime_ms ELSE had.best_runtime_ms END,
    last_attempt_at = {AT},
    solved_at = coalesce(had.solved_at, CASE WHEN excluded.solved_at IS NOT NULL THEN {AT} END)
RETURNING last_attempt_at, solved_at
"""
# The positions are given last, so with the lock of the status: events of a question have the order of its attempts.
INSERT_EVENTS = """,
events AS (
    INSERT INTO events (id, type, user_id, data, created_at)
    SELECT gen_random_uuid(), type, %(user_id)s, data, last_attempt_at
    FROM status, (
        VALUES ('attempt.recorded', %(recorded_data)s::jsonb), ('question.solved', %(solved_data)s::jsonb)
    ) AS event (type, data)
    WHERE type = 'attempt.recorded' OR solved_at = last_attempt_at
    ORDER BY type
)
"""


def inserting(events: str = "") -> str:
    """Everything at once, committed by itself: one round trip."""
    return f"""
    WITH status AS ({UPSERT_STATUS}){events}
    INSERT INTO attempts (
        id, user_id, question_id, language, submitted_code, passed_tests, total_tests, runtime_ms, created_at
    )
    SELECT %(id)s, %(user_id)s, %(question_id)s, %(language)s, %(submitted_code)s, %(passed_tests)s, %(total_tests)s,
        %(runtime_ms)s, last_attempt_at
    FROM status
    RETURNING created_at
    """


INSERT_ATTEMPT = inserting()
INSERT_WITH_EVENTS = inserting(INSERT_EVENTS)


class IdempotencyKeyReused(ApiError):
    status = 422
    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was sent with a different body within the last 24 hours. Use a new key."


UNVERIFIED_ATTEMPTS = 20


class TooManyUnverifiedAttempts(EmailNotVerified):
    detail = (
        f"To record more than {UNVERIFIED_ATTEMPTS} attempts, verify your e-mail address: follow the link in the mail "
        "we sent, or ask for a new one."
    )


@dataclass(frozen=True)
class Recorded:
    attempt: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)  # of the rate limit; a replay is not counted
    replayed: bool = False


def record_attempt(*, user: User, key: str | None = None, **facts: Any) -> Recorded:
    """Stores an attempt and counts it in its question's status. With a key, at most once within 24 hours.

    Raises:
        NotAuthenticated: the account was deleted meanwhile.
        IdempotencyKeyReused: the key came with a different body before.
        NotFound: the attempt that the key stands for was removed by hand.
        RateLimited, TooManyUnverifiedAttempts: not for an attempt that is stored already.
    """
    attempt = Attempt(user=user, **facts)
    one_by_one = key or not user.is_verified
    recorded = record_one_by_one(attempt, key, facts) if one_by_one else record(attempt)
    outcome = REPLAYED if recorded.replayed else SOLVED if recorded.attempt["is_solved"] else UNSOLVED
    outcome.inc()
    return recorded


@transaction.atomic
def record_one_by_one(attempt: Attempt, key: str | None, facts: dict[str, Any]) -> Recorded:
    """A user's calls queue at their row: the second with a key finds what the first has stored."""
    rows = User.objects.select_for_update(no_key=True).filter(pk=attempt.user_id)
    is_verified = rows.values_list("is_verified", flat=True).first()
    if is_verified is None:
        raise NotAuthenticated
    if key and (replay := replay_or_claim(attempt, key, facts)):
        return replay
    if not is_verified and Attempt.objects.filter(user=attempt.user).count() >= UNVERIFIED_ATTEMPTS:
        raise TooManyUnverifiedAttempts
    return record(attempt)


def replay_or_claim(attempt: Attempt, key: str, facts: dict[str, Any]) -> Recorded | None:
    """What the key stands for; None where it is new, or expired, and stands for `attempt` from now on."""
    user, now = attempt.user, timezone.now()
    fingerprint = sha256(dumps(facts, option=OPT_SORT_KEYS)).hexdigest()
    first = IdempotencyKey.objects.filter(user=user, key=key, created_at__gt=now - IdempotencyKey.LIFE).first()
    if first is None:
        claim = IdempotencyKey(user=user, key=key, fingerprint=fingerprint, attempt_id=attempt.pk, created_at=now)
        IdempotencyKey.objects.bulk_create(
            [claim],  # in place of an expired one
            update_conflicts=True,
            unique_fields=["user", "key"],
            update_fields=["fingerprint", "attempt_id", "created_at"],
        )
        return None
    if first.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    found = Attempt.objects.filter(user=user, pk=first.attempt_id).as_listed().first()
    if found is None:
        raise NotFound
    return Recorded(found, replayed=True)


def record(attempt: Attempt) -> Recorded:
    """Stores the attempt and counts it, both or neither, and returns it as a list shows it."""
    headers = spend_of("attempts", str(attempt.user_id))
    stored = insert_on_postgresql(attempt) if ON_POSTGRESQL else insert_on_sqlite(attempt)
    if not stored:
        raise NotAuthenticated
    shown = {
        "id": attempt.pk,
        "question_id": attempt.question_id,
        "language": attempt.language,
        "passed_tests": attempt.passed_tests,
        "total_tests": attempt.total_tests,
        "created_at": attempt.created_at,
        "is_solved": attempt.is_solved,
    }
    return Recorded(shown, headers)


def insert_on_postgresql(attempt: Attempt) -> bool:
    statement, values = INSERT_ATTEMPT, parameters(attempt)
    if settings.RABBITMQ_URL:
        statement = INSERT_WITH_EVENTS
        data = {"recorded_data": recorded_data(attempt), "solved_data": solved_data(attempt)}
        values |= {name: dumps(each).decode() for name, each in data.items()}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone()
    if row:
        attempt.created_at = row[0]
    return row is not None


@transaction.atomic
def insert_on_sqlite(attempt: Attempt) -> bool:
    """The same in a statement for each table: SQLite writes nothing from a WITH. One transaction at a time writes."""
    status = QuestionStatus.objects.filter(user=attempt.user_id, question_id=attempt.question_id).first()
    if status:
        attempt.created_at = max(attempt.created_at, status.last_attempt_at + timedelta(microseconds=1))
    with connection.cursor() as cursor:
        cursor.execute(UPSERT_STATUS, {name: for_sqlite(value) for name, value in parameters(attempt).items()})
        counted = cursor.fetchone()
    if counted is None:
        return False
    attempt.save(force_insert=True)
    emit(Event.Type.ATTEMPT_RECORDED, attempt.user_id, **recorded_data(attempt))
    last_attempt_at, solved_at = counted
    if solved_at == last_attempt_at:
        emit(Event.Type.QUESTION_SOLVED, attempt.user_id, **solved_data(attempt))
    return True


def recorded_data(attempt: Attempt) -> dict[str, Any]:
    facts = {name: getattr(attempt, name) for name in ("language", "passed_tests", "total_tests", "is_solved")}
    return solved_data(attempt) | facts


def solved_data(attempt: Attempt) -> dict[str, Any]:
    return {"attempt_id": str(attempt.pk), "question_id": attempt.question_id}


def parameters(attempt: Attempt) -> dict[str, Any]:
    """Of both statements: the attempt, and what its question's status is where this is the first one."""
    solved = attempt.is_solved
    return {
        "id": attempt.pk,
        "user_id": attempt.user_id,
        "question_id": attempt.question_id,
        "language": attempt.language,
        "submitted_code": attempt.submitted_code,
        "passed_tests": attempt.passed_tests,
        "total_tests": attempt.total_tests,
        "runtime_ms": attempt.runtime_ms,
        "created_at": attempt.created_at,
        "solving_attempts": int(solved),
        "attempts_to_solve": 1 if solved else None,
        "best_runtime_ms": attempt.runtime_ms if solved else None,
        "solved_at": attempt.created_at if solved else None,
    }
