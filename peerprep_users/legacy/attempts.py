"""The earlier attempts as they are stored here."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from attempts.models import LANGUAGE_LENGTH, LARGEST, LARGEST_SMALL
from peerprep_users.legacy.accounts import Refused
from peerprep_users.legacy.report import Reason
from peerprep_users.legacy.source import SourceAttempt

AHEAD = timedelta(minutes=1)  # of our clock; new attempts at a question get times after that of the last one


class NewAttempt(NamedTuple):
    """An attempt; the names are those of the model."""

    id: UUID
    user_id: UUID
    question_id: int
    language: str
    submitted_code: str
    passed_tests: int
    total_tests: int
    runtime_ms: int | None
    created_at: datetime

    @property
    def facts(self) -> tuple[Any, ...]:
        """What the earlier attempt says, without its code."""
        return (*self[:4], *self[5:7], self.created_at)

    @property
    def is_solved(self) -> bool:
        return 0 < self.total_tests == self.passed_tests


def attempt_of(row: SourceAttempt, owner: User) -> NewAttempt:
    """The attempt, without a runtime.

    Raises:
        Refused.
    """
    try:
        attempt_id = UUID(row.id)
    except ValueError:
        raise Refused(Reason.BAD_ID) from None
    if row.question_id is None or not 1 <= row.question_id <= LARGEST:
        raise Refused(Reason.BAD_QUESTION)
    if not row.language or len(row.language) > LANGUAGE_LENGTH:
        raise Refused(Reason.BAD_LANGUAGE)
    passed, total = row.passed_tests, row.total_tests
    if passed is None or total is None or not 0 <= passed <= total <= LARGEST_SMALL:
        raise Refused(Reason.BAD_RESULT)
    if row.created_at is None or row.created_at > timezone.now() + AHEAD:
        raise Refused(Reason.BAD_TIME)
    code = row.submitted_code or ""
    return NewAttempt(attempt_id, owner.id, row.question_id, row.language, code, passed, total, None, row.created_at)
