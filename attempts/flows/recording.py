"""Recording an attempt."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.db import transaction
from orjson import OPT_SORT_KEYS, dumps

from accounts.models import User
from attempts import counting
from attempts.metrics import REPLAYED, SOLVED, UNSOLVED
from attempts.models import Attempt, IdempotencyKey, is_solved
from core.errors import ApiError, NotAuthenticated, NotFound

LISTED = ("id", "question_id", "language", "passed_tests", "total_tests", "created_at")


class IdempotencyKeyReused(ApiError):
    status = 422
    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was sent with another body within the last 24 hours. Choose a new one."


@dataclass(frozen=True)
class Recorded:
    attempt: dict[str, Any]
    replayed: bool = False


def record_attempt(*, user: User, key: str | None = None, **facts: Any) -> Recorded:
    """Stores an attempt and counts it, both or neither. With a key, at most once within 24 hours.

    Raises:
        NotAuthenticated: the account was deleted meanwhile.
        IdempotencyKeyReused: the key came with something else before.
        NotFound: the attempt that the key stands for was removed by hand.
    """
    attempt = Attempt(user=user, **facts)
    if key is None:
        return counted(Recorded(stored(attempt)))
    fingerprint = sha256(dumps(facts, option=OPT_SORT_KEYS)).hexdigest()
    with transaction.atomic():
        if not counting.hold(user):
            raise NotAuthenticated
        claim = IdempotencyKey(user=user, key=key, fingerprint=fingerprint, attempt_id=attempt.pk)
        first = IdempotencyKey.objects.claim(claim)
        if first is None:
            return counted(Recorded(stored(attempt)))
        if first.fingerprint != fingerprint:
            raise IdempotencyKeyReused
        found = Attempt.objects.filter(user=user, pk=first.attempt_id).values(*LISTED).first()
    if found is None:
        raise NotFound
    return counted(Recorded(listed(found), replayed=True))


def counted(recorded: Recorded) -> Recorded:
    outcome = REPLAYED if recorded.replayed else SOLVED if recorded.attempt["is_solved"] else UNSOLVED
    outcome.inc()
    return recorded


def stored(attempt: Attempt) -> dict[str, Any]:
    if not counting.add(attempt):
        raise NotAuthenticated
    return listed({name: getattr(attempt, name) for name in LISTED})


def listed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "is_solved": is_solved(row["passed_tests"], row["total_tests"])}
