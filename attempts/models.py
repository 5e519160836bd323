"""The tables of attempts, and the rules that concern one row or one set of rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models
from django.db.models import ExpressionWrapper, F, Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.models import User

LANGUAGE_LENGTH = 64
LARGEST_SMALL = 32767
LARGEST = 2147483647
LISTED: tuple[str, ...] = ("id", "question_id", "language", "passed_tests", "total_tests", "created_at")


class Position(NamedTuple):
    """Where an attempt stands in its user's history: by its time, and of one time by its id."""

    created_at: datetime
    id: UUID


def first_id(at: datetime) -> UUID:
    """A lower bound for the UUIDv7s of that millisecond and later."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def history_of(self, user: User) -> AttemptQuerySet:
        """The user's attempts, newest first."""
        return self.filter(user=user).order_by("-created_at", "-id")

    def older_than(self, position: Position) -> AttemptQuerySet:
        """Those after `position` in a history. The first condition is the one that an index can jump by."""
        tied = Q(created_at__lt=position.created_at) | Q(created_at=position.created_at, id__lt=position.id)
        return self.filter(tied, created_at__lte=position.created_at)

    def matching(
        self,
        *,
        question_id: int | None = None,
        language: str | None = None,
        solved: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AttemptQuerySet:
        """Those that pass every filter given: from `since` on, and before `until`."""
        wanted = {
            "question_id": question_id,
            "language": language,
            "created_at__gte": since,
            "created_at__lt": until,
            "solved": solved,
        }
        return self.filter(**{name: value for name, value in wanted.items() if value is not None})

    def as_listed(self) -> models.QuerySet[Attempt, dict[str, Any]]:
        """What lists show of each attempt; an index alone has all of it."""
        listed: models.QuerySet[Attempt, dict[str, Any]] = self.values(*LISTED, is_solved=F("solved"))
        return listed


class Attempt(models.Model):
    """One run of a submission against a question's tests."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)  # UUIDv7: inserts stay local in the index
    user = models.ForeignKey(User, models.CASCADE, related_name="attempts", db_index=False)
    question_id = models.PositiveIntegerField()
    language = models.CharField(max_length=LANGUAGE_LENGTH)
    submitted_code = models.TextField()
    passed_tests = models.PositiveSmallIntegerField()
    total_tests = models.PositiveSmallIntegerField()
    runtime_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    # Solved means at least one test, and all passed. A column, since PostgreSQL cannot guess how often two are equal.
    solved = models.GeneratedField(
        expression=ExpressionWrapper(Q(total_tests__gt=0, passed_tests=F("total_tests")), models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )

    objects = AttemptQuerySet.as_manager()

    class Meta:
        db_table = "attempts"
        constraints = [
            models.CheckConstraint(condition=Q(passed_tests__lte=F("total_tests")), name="attempts_passed_of_total"),
            models.CheckConstraint(condition=Q(question_id__gte=1), name="attempts_question"),
        ]
        indexes = [
            # All that is read of a user's attempts but their code: pages of the history, with any filters, and their
            # totals; languages; days. The columns after the id make it answer alone; also the index of the cascade.
            models.Index(
                fields=[
                    "user",
                    "-created_at",
                    "-id",
                    "question_id",
                    "language",
                    "solved",
                    "passed_tests",
                    "total_tests",
                ],
                name="attempts_history",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.id}"

    @property
    def is_solved(self) -> bool:
        """The same as `solved`, also before the attempt is stored."""
        return 0 < self.total_tests == self.passed_tests


class QuestionStatus(models.Model):
    """What a user has reached on one question: a running count over the attempts at it."""

    user = models.ForeignKey(User, models.CASCADE, related_name="questions", db_index=False)
    question_id = models.PositiveIntegerField()
    attempts = models.PositiveIntegerField()
    solving_attempts = models.PositiveIntegerField()
    attempts_to_solve = models.PositiveIntegerField(null=True)  # up to and including the first that solves
    best_passed_tests = models.PositiveSmallIntegerField()
    total_tests = models.PositiveSmallIntegerField()  # of the best attempt; of equally good ones, the fewest
    best_runtime_ms = models.PositiveIntegerField(null=True)  # of the solving attempts
    first_attempt_at = models.DateTimeField()
    last_attempt_at = models.DateTimeField()
    solved_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "user_question_status"
        verbose_name_plural = "question statuses"
        constraints = [
            # Also the index of a user's list of questions, of the sums over them, and of the cascade. On PostgreSQL a
            # migration adds the columns that are summed, so it answers alone: a user's rows are all over the table.
            models.UniqueConstraint(fields=["user", "question_id"], name="user_question_status_unique"),
        ]

    def __str__(self) -> str:
        return f"question {self.question_id}"


class IdempotencyKeyQuerySet(models.QuerySet["IdempotencyKey"]):
    def expired(self, now: datetime) -> IdempotencyKeyQuerySet:
        return self.filter(created_at__lte=now - IdempotencyKey.LIFE)


class IdempotencyKey(models.Model):
    """The attempt that a key of a user's stands for, and what was sent with it."""

    LIFE = timedelta(hours=24)
    LENGTH = 255

    user = models.ForeignKey(User, models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=LENGTH)
    fingerprint = models.CharField(max_length=64)  # SHA-256 of the body
    attempt_id = models.UUIDField()
    created_at = models.DateTimeField(default=timezone.now)

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        db_table = "idempotency_keys"
        constraints = [
            # Also the index that a key is looked up by.
            models.UniqueConstraint(fields=["user", "key"], name="idempotency_keys_unique"),
        ]
        indexes = [
            # The purge of those past their day.
            models.Index(fields=["created_at"], name="idempotency_keys_oldest"),
        ]

    def __str__(self) -> str:
        return f"key of attempt {self.attempt_id}"
