"""The shapes of what comes in and what goes out. They check fields; they never write."""

import re
from typing import Any
from zoneinfo import ZoneInfo

from rest_framework import serializers

from attempts.cursors import HistoryCursor, QuestionCursor
from attempts.models import LANGUAGE_LENGTH, LARGEST, LARGEST_SMALL, IdempotencyKey
from core.api import Shape
from core.errors import Invalid
from core.fields import Choice, Integer, Moment, QueryBoolean, QueryInteger, QueryText, Text, TimeZone

CODE_BYTES = 64 * 1024
PAGE = 50
LONGEST_PAGE = 200
DAYS = 365
MOST_DAYS = 366


class SubmittedCode(Text):
    """Source code, exactly as sent; it may be empty."""

    default_error_messages = {"max_length": f"may have at most {CODE_BYTES:,} bytes of UTF-8."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        code: str = super().to_internal_value(data)
        if len(code.encode("utf-8", "surrogatepass")) > CODE_BYTES:
            self.fail("max_length")
        return code


class NewAttempt(Shape):
    default_error_messages = {"more_passed_than_total": "must not be more than total_tests."}

    question_id = Integer(min_value=1, max_value=LARGEST)
    language = Text(max_length=LANGUAGE_LENGTH)
    submitted_code = SubmittedCode(help_text=f"Up to 64 KiB: {CODE_BYTES:,} bytes of UTF-8. Kept exactly as sent.")
    passed_tests = Integer(min_value=0, max_value=LARGEST_SMALL, help_text="At most `total_tests`.")
    total_tests = Integer(min_value=0, max_value=LARGEST_SMALL)
    runtime_ms = Integer(min_value=0, max_value=LARGEST, default=None, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["passed_tests"] > attrs["total_tests"]:
            message = self.error_messages["more_passed_than_total"]
            raise serializers.ValidationError({"passed_tests": message}, "less_than_equal")
        return attrs


class AttemptQuery(Shape):
    limit = QueryInteger(min_value=1, max_value=LONGEST_PAGE, default=PAGE)
    offset = QueryInteger(min_value=0, max_value=LARGEST, default=0)
    cursor = HistoryCursor(required=False)
    question_id = QueryInteger(min_value=1, max_value=LARGEST, required=False)
    language = QueryText(max_length=LANGUAGE_LENGTH, required=False)
    solved = QueryBoolean(required=False)
    since = Moment(required=False)
    until = Moment(required=False)


class QuestionQuery(Shape):
    limit = QueryInteger(min_value=1, max_value=LONGEST_PAGE, default=LONGEST_PAGE)
    cursor = QuestionCursor(required=False)


class ActivityQuery(Shape):
    tz = TimeZone(default=ZoneInfo("UTC"))
    days = QueryInteger(min_value=1, max_value=MOST_DAYS, default=DAYS)


class ExportQuery(Shape):
    format = Choice(["json", "csv"], default="json")


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


class ListedAttempt(Shape):
    id = serializers.UUIDField()
    question_id = serializers.IntegerField()
    language = serializers.CharField()
    passed_tests = serializers.IntegerField()
    total_tests = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    is_solved = serializers.BooleanField()


class ShownAttempt(Shape):
    id = serializers.UUIDField()
    question_id = serializers.IntegerField()
    language = serializers.CharField()
    submitted_code = serializers.CharField()
    passed_tests = serializers.IntegerField()
    total_tests = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class Summary(Shape):
    total_attempts = serializers.IntegerField()
    solved = serializers.IntegerField()
    last_attempt_at = serializers.DateTimeField(allow_null=True)


class Question(Shape):
    question_id = serializers.IntegerField()
    attempts = serializers.IntegerField()
    best_passed_tests = serializers.IntegerField()
    total_tests = serializers.IntegerField()
    best_runtime_ms = serializers.IntegerField(allow_null=True)
    first_attempt_at = serializers.DateTimeField()
    last_attempt_at = serializers.DateTimeField()
    solved_at = serializers.DateTimeField(allow_null=True)


class Day(Shape):
    date = serializers.DateField()
    attempts = serializers.IntegerField()
    solved = serializers.IntegerField()


class Activity(Shape):
    days = Day(many=True)
    current_streak = serializers.IntegerField()
    longest_streak = serializers.IntegerField()
    active_days = serializers.IntegerField()


class Language(Shape):
    language = serializers.CharField()
    attempts = serializers.IntegerField()
    solved = serializers.IntegerField()


class Statistics(Shape):
    acceptance_rate = serializers.FloatField(allow_null=True)
    by_language = Language(many=True)
    average_attempts_to_solve = serializers.FloatField(allow_null=True)


class ExportedAttempt(ShownAttempt):
    runtime_ms = serializers.IntegerField(allow_null=True)
    is_solved = serializers.BooleanField()
