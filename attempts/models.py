"""The tables of attempts, and the rules that concern one row or one set of rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from django.db import connection, models
from django.db.models import F, Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.models import User

LANGUAGE_LENGTH = 64
LARGEST_SMALL = 32767
LARGEST = 2147483647


class Place(NamedTuple):
    """Where an attempt stands in its user's history."""

    created_at: datetime
    id: UUID


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def history_of(self, user: User) -> AttemptQuerySet:
        """The user's attempts, newest first."""
        return self.filter(user=user).order_by("-created_at", "-id")

    def older_than(self, place: Place) -> AttemptQuerySet:
        """Those that come after `place` in a history. The first condition is the one that an index can jump by."""
        tied = Q(created_at__lt=place.created_at) | Q(created_at=place.created_at, id__lt=place.id)
        return self.filter(tied, created_at__lte=place.created_at)

    def newer_than(self, place: Place) -> AttemptQuerySet:
        """Those that a history has before `place`, oldest first."""
        tied = Q(created_at__gt=place.created_at) | Q(created_at=place.created_at, id__gt=place.id)
        return self.filter(tied, created_at__gte=place.created_at).order_by("created_at", "id")

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


SOLVED = Q(total_tests__gt=0, passed_tests=F("total_tests"))


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
    # The attempt's number among those of its user with the same outcome: of all, and of those that are like it.
    # From these it follows how many there are up to a time, without counting: see `attempts/ranks.py`.
    rank = models.PositiveIntegerField(default=0, db_default=0)
    question_rank = models.PositiveIntegerField(default=0, db_default=0)
    language_rank = models.PositiveIntegerField(default=0, db_default=0)
    pair_rank = models.PositiveIntegerField(default=0, db_default=0)  # of its question and its language together
    # A column, since PostgreSQL cannot guess how often two others are equal, and chooses its plan by the guess.
    solved = models.GeneratedField(expression=SOLVED, output_field=models.BooleanField(), db_persist=True)  # type: ignore[arg-type]

    objects = AttemptQuerySet.as_manager()

    class Meta:
        db_table = "attempts"
        constraints = [
            models.CheckConstraint(condition=Q(passed_tests__lte=F("total_tests")), name="attempts_passed_of_total"),
            models.CheckConstraint(condition=Q(question_id__gte=1), name="attempts_question"),
        ]
        indexes = [
            # A user's history, newest first; a recount; the removal of what an account left behind.
            models.Index(fields=["user", "-created_at", "-id"], name="attempts_history"),
            # The same with filters: without these, a rare value would be looked for in the whole history. Where the
            # outcome is not among the filters, both are read and merged. And the newest attempt before a time.
            models.Index(fields=["user", "solved", "-created_at", "-id"], name="attempts_by_outcome"),
            models.Index(fields=["user", "question_id", "solved", "-created_at", "-id"], name="attempts_by_question"),
            models.Index(fields=["user", "language", "solved", "-created_at", "-id"], name="attempts_by_language"),
            models.Index(
                fields=["user", "question_id", "language", "solved", "-created_at", "-id"], name="attempts_by_both"
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.id}"

    @property
    def is_solved(self) -> bool:
        return is_solved(self.passed_tests, self.total_tests)


def is_solved(passed_tests: int, total_tests: int) -> bool:
    """Solved means at least one test, and all passed. `SOLVED` says the same in SQL."""
    return total_tests > 0 and passed_tests == total_tests


class QuestionStatusQuerySet(models.QuerySet["QuestionStatus"]):
    def listed(self, user: User, after: int) -> QuestionStatusQuerySet:
        """The user's questions beyond the number `after`, in an order that no new attempt changes."""
        return self.filter(user=user, question_id__gt=after).order_by("question_id")


class QuestionStatus(models.Model):
    """What a user has reached on one question; a running count over its attempts."""

    user = models.ForeignKey(User, models.CASCADE, related_name="questions", db_index=False)
    question_id = models.PositiveIntegerField()
    attempts = models.PositiveIntegerField()
    solving_attempts = models.PositiveIntegerField(db_default=0)
    best_passed_tests = models.PositiveSmallIntegerField()
    total_tests = models.PositiveSmallIntegerField()  # of the best attempt; of equally good ones, the fewest
    best_runtime_ms = models.PositiveIntegerField(null=True)  # of the solving attempts
    first_attempt_at = models.DateTimeField()
    last_attempt_at = models.DateTimeField()
    solved_at = models.DateTimeField(null=True)

    objects = QuestionStatusQuerySet.as_manager()

    class Meta:
        db_table = "user_question_status"
        verbose_name_plural = "question statuses"
        constraints = [
            # Also the index behind the list of a user's questions.
            models.UniqueConstraint(fields=["user", "question_id"], name="user_question_status_unique"),
        ]

    def __str__(self) -> str:
        return f"question {self.question_id}"


class Totals(models.Model):
    """What all attempts of a user come to. Recording locks the row, so a user's attempts queue."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+", db_index=False)
    attempts = models.PositiveIntegerField(default=0)
    solving_attempts = models.PositiveIntegerField(default=0)
    questions = models.PositiveIntegerField(default=0)
    solved_questions = models.PositiveIntegerField(default=0)
    attempts_to_solve = models.PositiveIntegerField(default=0)  # of the solved questions, up to each one's first solve
    last_attempt_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "user_attempt_totals"

    def __str__(self) -> str:
        return f"totals of {self.user_id}"

    @classmethod
    def of(cls, user: User) -> Totals:
        return cls.objects.filter(user=user).first() or cls(user=user)

    def counted(self, *, solved: bool | None = None) -> int:
        """How many attempts there are, of one outcome where it is given."""
        if solved is None:
            return self.attempts
        return self.solving_attempts if solved else self.attempts - self.solving_attempts

    def etag(self, *facts: object) -> str:
        """Names a state of the user's history, and what of it is asked for: every attempt changes it."""
        state = [getattr(self, field.attname) for field in self._meta.concrete_fields]
        return f'"{blake2b(repr((state, facts)).encode(), digest_size=16).hexdigest()}"'


class LanguageCount(models.Model):
    """A user's attempts in one language."""

    pk = models.CompositePrimaryKey("user_id", "language")
    user = models.ForeignKey(User, models.CASCADE, related_name="+", db_index=False)
    language = models.CharField(max_length=LANGUAGE_LENGTH)
    attempts = models.PositiveIntegerField()
    solved = models.PositiveIntegerField()

    class Meta:
        db_table = "user_language_counts"

    def __str__(self) -> str:
        return self.language


class PairCount(models.Model):
    """A user's attempts at a question in a language."""

    pk = models.CompositePrimaryKey("user_id", "question_id", "language")
    user = models.ForeignKey(User, models.CASCADE, related_name="+", db_index=False)
    question_id = models.PositiveIntegerField()
    language = models.CharField(max_length=LANGUAGE_LENGTH)
    attempts = models.PositiveIntegerField()
    solved = models.PositiveIntegerField()

    class Meta:
        db_table = "user_question_language_counts"

    def __str__(self) -> str:
        return f"question {self.question_id}, {self.language}"


class QuarterHour(models.Model):
    """A user's attempts in a quarter of an hour: every zone's days begin at the beginning of one."""

    SECONDS = 900

    pk = models.CompositePrimaryKey("user_id", "quarter")
    user = models.ForeignKey(User, models.CASCADE, related_name="+", db_index=False)
    quarter = models.PositiveIntegerField()  # since the beginning of 1970 in UTC
    attempts = models.PositiveIntegerField()
    solved = models.PositiveIntegerField()

    class Meta:
        db_table = "user_activity"
        indexes = [
            # A year of a busy user: 35,000 rows, each in another page of the table.
            models.Index(fields=["user", "quarter"], include=["attempts", "solved"], name="user_activity_counts"),
        ]

    def __str__(self) -> str:
        return f"quarter {self.quarter}"


class IdempotencyKeyQuerySet(models.QuerySet["IdempotencyKey"]):
    def expired(self, now: datetime) -> IdempotencyKeyQuerySet:
        return self.filter(created_at__lte=now - IdempotencyKey.LIFE)

    def claim(self, key: IdempotencyKey) -> IdempotencyKey | None:
        """Stores the key where the user has none such of the last 24 hours. Waits for one that is being stored.

        Returns:
            The one that was there first, or None.
        """
        fields = [field for field in self.model._meta.concrete_fields if not field.primary_key]  # noqa: SLF001
        values = [field.get_db_prep_save(getattr(key, field.attname), connection) for field in fields]
        expired = fields[-1].get_db_prep_save(key.created_at - key.LIFE, connection)
        columns = ", ".join(str(field.column) for field in fields)
        statement = CLAIM.format(columns=columns, values=", ".join(["%s"] * len(values)))
        with connection.cursor() as cursor:
            cursor.execute(statement, [*values, expired])
            if cursor.fetchone():
                return None
        return self.get(user=key.user_id, key=key.key)


CLAIM = """
INSERT INTO idempotency_keys AS had ({columns}) VALUES ({values})
ON CONFLICT (user_id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, attempt_id = excluded.attempt_id, created_at = excluded.created_at
    WHERE had.created_at <= %s
RETURNING 1
"""


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
