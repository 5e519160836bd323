"""The tables of attempts, and the rules that concern one row or one set of rows."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, models
from django.db.models import F, Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.models import User

LANGUAGE_LENGTH = 64
LARGEST_SMALL = 32767
LARGEST = 2147483647


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def history_of(self, user: User) -> AttemptQuerySet:
        """The user's attempts, newest first."""
        return self.filter(user=user).order_by("-created_at", "-id")

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
        }
        found = self.filter(**{name: value for name, value in wanted.items() if value is not None})
        if solved is None:
            return found
        return found.filter(SOLVED) if solved else found.exclude(SOLVED)


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

    objects = AttemptQuerySet.as_manager()

    class Meta:
        db_table = "attempts"
        constraints = [
            models.CheckConstraint(condition=Q(passed_tests__lte=F("total_tests")), name="attempts_passed_of_total"),
            models.CheckConstraint(condition=Q(question_id__gte=1), name="attempts_question"),
        ]
        indexes = [
            # A user's history, newest first; the cascade of a deleted user.
            models.Index(fields=["user", "-created_at", "-id"], name="attempts_history"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.id}"

    @property
    def is_solved(self) -> bool:
        return is_solved(self.passed_tests, self.total_tests)


def is_solved(passed_tests: int, total_tests: int) -> bool:
    """Solved means at least one test, and all passed. `SOLVED` says the same in SQL."""
    return total_tests > 0 and passed_tests == total_tests


class QuestionStatusManager(models.Manager["QuestionStatus"]):
    def add(self, attempt: Attempt) -> bool:
        """Adds an attempt to its question's status, in one statement that parallel attempts cannot get between.

        The statement takes a share of the user's row first, as PostgreSQL's foreign keys would do only at the commit:
        by then the deletion of the account may wait for this status, and this commit for the deletion.

        Returns:
            False where the account is gone.
        """
        solved = attempt.is_solved
        row = QuestionStatus(
            user_id=attempt.user_id,
            question_id=attempt.question_id,
            attempts=1,
            best_passed_tests=attempt.passed_tests,
            total_tests=attempt.total_tests,
            best_runtime_ms=attempt.runtime_ms if solved else None,
            first_attempt_at=attempt.created_at,
            last_attempt_at=attempt.created_at,
            solved_at=attempt.created_at if solved else None,
        )
        fields = [field for field in QuestionStatus._meta.concrete_fields if not field.primary_key]  # noqa: SLF001
        values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        statement = UPSERT.format(
            columns=", ".join(str(field.column) for field in fields),
            values=", ".join(["%s"] * len(values)),
            share="FOR KEY SHARE" if connection.features.has_select_for_update else "",
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [*values, values[0]])  # the first column is the user
            return bool(cursor.rowcount)


# Every column comes out the same in whatever order the attempts arrive, so that a recount can be compared with it.
UPSERT = """
INSERT INTO user_question_status AS old ({columns}) SELECT {values} FROM users WHERE id = %s {share}
ON CONFLICT (user_id, question_id) DO UPDATE SET
    attempts = old.attempts + 1,
    total_tests = CASE
        WHEN excluded.best_passed_tests > old.best_passed_tests THEN excluded.total_tests
        WHEN excluded.best_passed_tests = old.best_passed_tests AND excluded.total_tests < old.total_tests
            THEN excluded.total_tests
        ELSE old.total_tests END,
    best_passed_tests = CASE
        WHEN excluded.best_passed_tests > old.best_passed_tests THEN excluded.best_passed_tests
        ELSE old.best_passed_tests END,
    best_runtime_ms = CASE
        WHEN old.best_runtime_ms IS NULL OR excluded.best_runtime_ms < old.best_runtime_ms
            THEN excluded.best_runtime_ms
        ELSE old.best_runtime_ms END,
    first_attempt_at = CASE
        WHEN excluded.first_attempt_at < old.first_attempt_at THEN excluded.first_attempt_at
        ELSE old.first_attempt_at END,
    last_attempt_at = CASE
        WHEN excluded.last_attempt_at > old.last_attempt_at THEN excluded.last_attempt_at
        ELSE old.last_attempt_at END,
    solved_at = CASE
        WHEN old.solved_at IS NULL OR excluded.solved_at < old.solved_at THEN excluded.solved_at
        ELSE old.solved_at END
"""


class QuestionStatus(models.Model):
    """What a user has reached on one question; a running count over its attempts."""

    user = models.ForeignKey(User, models.CASCADE, related_name="questions", db_index=False)
    question_id = models.PositiveIntegerField()
    attempts = models.PositiveIntegerField()
    best_passed_tests = models.PositiveSmallIntegerField()
    total_tests = models.PositiveSmallIntegerField()  # of the best attempt; of equally good ones, the fewest
    best_runtime_ms = models.PositiveIntegerField(null=True)  # of the solving attempts
    first_attempt_at = models.DateTimeField()
    last_attempt_at = models.DateTimeField()
    solved_at = models.DateTimeField(null=True)

    objects = QuestionStatusManager()

    class Meta:
        db_table = "user_question_status"
        verbose_name_plural = "question statuses"
        constraints = [
            # Also the index behind a user's questions and summary, and the cascade of a deleted user.
            models.UniqueConstraint(fields=["user", "question_id"], name="user_question_status_unique"),
        ]

    def __str__(self) -> str:
        return f"question {self.question_id}"
