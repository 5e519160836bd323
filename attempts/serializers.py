"""What comes in and what goes out. Serializers check fields; they never write."""

import re
from typing import Any
from zoneinfo import ZoneInfo

from rest_framework import serializers

from attempts.cursors import HistoryCursor, QuestionCursor
from attempts.models import LANGUAGE_LENGTH, LARGEST, LARGEST_SMALL, IdempotencyKey
from core.api import ApiSerializer
from core.errors import Invalid
from core.fields import Choice, Integer, Moment, QueryBoolean, QueryInteger, QueryText, Text, TimeZone

CODE_BYTES = 64 * 1024
PAGE = 50
LONGEST_PAGE = 200
DAYS = 365
MOST_DAYS = 366

LIMIT = "How many to return at most."
CURSOR = "From the `Link` of the previous page."

EXAMPLE_CODE = "print(sum(map(int, input().split())))"


class SubmittedCode(Text):
    """Source code, exactly as sent; it may be empty."""

    default_error_messages = {"max_length": f"may have at most {CODE_BYTES:,} bytes of UTF-8."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, max_length=CODE_BYTES, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        code: str = super().to_internal_value(data)
        if len(code.encode("utf-8", "surrogatepass")) > CODE_BYTES:
            self.fail("max_length")
        return code


class NewAttemptSerializer(ApiSerializer):
    default_error_messages = {"more_passed_than_total": "must not be more than total_tests."}

    question_id = Integer(min_value=1, max_value=LARGEST)
    language = Text(max_length=LANGUAGE_LENGTH)
    submitted_code = SubmittedCode(help_text=f"Up to 64 KiB: {CODE_BYTES:,} bytes of UTF-8. Kept exactly as sent.")
    passed_tests = Integer(min_value=0, max_value=LARGEST_SMALL, help_text="At most `total_tests`.")
    total_tests = Integer(min_value=0, max_value=LARGEST_SMALL)
    runtime_ms = Integer(min_value=0, max_value=LARGEST, default=None, allow_null=True)

    example = {
        "question_id": 17,
        "language": "python",
        "submitted_code": EXAMPLE_CODE,
        "passed_tests": 10,
        "total_tests": 10,
        "runtime_ms": 42,
    }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["passed_tests"] > attrs["total_tests"]:
            message = self.error_messages["more_passed_than_total"]
            raise serializers.ValidationError({"passed_tests": message}, "less_than_equal")
        return attrs


class AttemptQuerySerializer(ApiSerializer):
    limit = QueryInteger(min_value=1, max_value=LONGEST_PAGE, default=PAGE, help_text=LIMIT)
    offset = QueryInteger(min_value=0, max_value=LARGEST, default=0, help_text="How many to skip, without a `cursor`.")
    cursor = HistoryCursor(required=False, help_text=CURSOR)
    question_id = QueryInteger(min_value=1, max_value=LARGEST, required=False, help_text="Only for this question.")
    language = QueryText(max_length=LANGUAGE_LENGTH, required=False, help_text="Only in exactly this language.")
    solved = QueryBoolean(required=False, help_text="Only attempts that solved the question, or only others.")
    since = Moment(required=False, help_text="Only attempts at or after this time.")
    until = Moment(required=False, help_text="Only attempts before this time.")

    example = {
        "limit": 20,
        "offset": 0,
        "cursor": "AAZhBHMnkAABkyxeej57fopXLz0KbJsR",
        "question_id": 17,
        "language": "python",
        "solved": True,
        "since": "2026-11-01T00:00:00Z",
        "until": "2026-12-01T00:00:00Z",
    }


class QuestionQuerySerializer(ApiSerializer):
    limit = QueryInteger(min_value=1, max_value=LONGEST_PAGE, default=LONGEST_PAGE, help_text=LIMIT)
    cursor = QuestionCursor(required=False, help_text=CURSOR)

    example = {"limit": 20, "cursor": "AAAAEQ"}


class ActivityQuerySerializer(ApiSerializer):
    tz = TimeZone(default=ZoneInfo("UTC"), help_text="The time zone in which days are counted.")
    days = QueryInteger(min_value=1, max_value=MOST_DAYS, default=DAYS, help_text="How many days, including today.")

    example = {"tz": "Asia/Singapore", "days": 30}


class ExportQuerySerializer(ApiSerializer):
    format = Choice(["json", "csv"], default="json", help_text="The format of the file.")

    example = {"format": "csv"}


KEY = re.compile(rf"[\x20-\x7e]{{1,{IdempotencyKey.LENGTH}}}")


def idempotency_key(sent: str | None) -> str | None:
    """The value of the header, where there is one.

    Raises:
        Invalid: it is too long, empty, or holds what no header should.
    """
    if sent is not None and not KEY.fullmatch(sent):
        message = f"Idempotency-Key must have 1 to {IdempotencyKey.LENGTH} printable ASCII characters."
        raise Invalid([{"loc": ["header", "Idempotency-Key"], "msg": message, "type": "value_error"}])
    return sent


class ListedAttemptSerializer(ApiSerializer):
    id = serializers.UUIDField()
    question_id = serializers.IntegerField()
    language = serializers.CharField()
    passed_tests = serializers.IntegerField()
    total_tests = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    is_solved = serializers.BooleanField()

    example = {
        "id": "01932c5e-7a3e-7b7e-8a57-2f3d0a6c9b11",
        "question_id": 17,
        "language": "python",
        "passed_tests": 10,
        "total_tests": 10,
        "created_at": "2026-11-24T12:00:00Z",
        "is_solved": True,
    }


class ShownAttemptSerializer(ApiSerializer):
    id = serializers.UUIDField()
    question_id = serializers.IntegerField()
    language = serializers.CharField()
    submitted_code = serializers.CharField()
    passed_tests = serializers.IntegerField()
    total_tests = serializers.IntegerField()
    created_at = serializers.DateTimeField()

    example = {
        "id": "01932c5e-7a3e-7b7e-8a57-2f3d0a6c9b11",
        "question_id": 17,
        "language": "python",
        "submitted_code": EXAMPLE_CODE,
        "passed_tests": 10,
        "total_tests": 10,
        "created_at": "2026-11-24T12:00:00Z",
    }


class SummarySerializer(ApiSerializer):
    total_attempts = serializers.IntegerField()
    solved = serializers.IntegerField()
    last_attempt_at = serializers.DateTimeField(allow_null=True)

    example = {"total_attempts": 12, "solved": 3, "last_attempt_at": "2026-11-24T12:00:00Z"}


class QuestionSerializer(ApiSerializer):
    question_id = serializers.IntegerField()
    attempts = serializers.IntegerField()
    best_passed_tests = serializers.IntegerField()
    total_tests = serializers.IntegerField()
    best_runtime_ms = serializers.IntegerField(allow_null=True)
    first_attempt_at = serializers.DateTimeField()
    last_attempt_at = serializers.DateTimeField()
    solved_at = serializers.DateTimeField(allow_null=True)

    example = {
        "question_id": 17,
        "attempts": 4,
        "best_passed_tests": 10,
        "total_tests": 10,
        "best_runtime_ms": 42,
        "first_attempt_at": "2026-11-23T18:00:00Z",
        "last_attempt_at": "2026-11-24T12:00:00Z",
        "solved_at": "2026-11-23T18:20:00Z",
    }


class DaySerializer(ApiSerializer):
    date = serializers.DateField()
    attempts = serializers.IntegerField()
    solved = serializers.IntegerField()


class ActivitySerializer(ApiSerializer):
    days = DaySerializer(many=True)
    current_streak = serializers.IntegerField()
    longest_streak = serializers.IntegerField()
    active_days = serializers.IntegerField()

    example = {
        "days": [{"date": "2026-11-24", "attempts": 4, "solved": 1}],
        "current_streak": 1,
        "longest_streak": 1,
        "active_days": 1,
    }


class LanguageSerializer(ApiSerializer):
    language = serializers.CharField()
    attempts = serializers.IntegerField()
    solved = serializers.IntegerField()


class StatisticsSerializer(ApiSerializer):
    acceptance_rate = serializers.FloatField(allow_null=True)
    by_language = LanguageSerializer(many=True)
    average_attempts_to_solve = serializers.FloatField(allow_null=True)

    example = {
        "acceptance_rate": 0.25,
        "by_language": [{"language": "python", "attempts": 4, "solved": 1}],
        "average_attempts_to_solve": 3.0,
    }


class ExportedAttemptSerializer(ShownAttemptSerializer):
    runtime_ms = serializers.IntegerField(allow_null=True)
    is_solved = serializers.BooleanField()

    example = {**ShownAttemptSerializer.example, "runtime_ms": 42, "is_solved": True}


class StoredKeySerializer(ApiSerializer):
    """What an export holds of an `Idempotency-Key`."""

    key = serializers.CharField()
    attempt_id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
