"""The shapes of what comes in and what goes out. They check fields; they never write."""

from typing import Any

from rest_framework import serializers

from attempts.models import LANGUAGE_LENGTH, LARGEST, LARGEST_SMALL
from peerprep_users.api import Shape
from peerprep_users.fields import Integer, Moment, QueryBoolean, QueryInteger, Text

CODE_BYTES = 64 * 1024
PAGE = 50
LONGEST_PAGE = 200


class SubmittedCode(Text):
    """Source code, exactly as sent."""

    default_error_messages = {"max_length": f"Must not be longer than {CODE_BYTES:,} bytes of UTF-8."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if len(code.encode("utf-8", "surrogatepass")) > CODE_BYTES:
            self.fail("max_length")
        return code


class NewAttempt(Shape):
    default_error_messages = {"more_passed_than_total": "Must not be more than total_tests."}

    question_id = Integer(min_value=1, max_value=LARGEST)
    language = Text(max_length=LANGUAGE_LENGTH)
    submitted_code = SubmittedCode(help_text=f"Up to 64 KiB: {CODE_BYTES:,} bytes of UTF-8. Kept exactly as sent.")
    passed_tests = Integer(min_value=0, max_value=LARGEST_SMALL, help_text="At most `total_tests`.")
    total_tests = Integer(min_value=0, max_value=LARGEST_SMALL)
    runtime_ms = Integer(min_value=0, max_value=LARGEST, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["passed_tests"] > attrs["total_tests"]:
            message = self.error_messages["more_passed_than_total"]
            raise serializers.ValidationError({"passed_tests": message}, "less_than_equal")
        return attrs


class AttemptQuery(Shape):
    limit = QueryInteger(min_value=1, max_value=LONGEST_PAGE, default=PAGE)
    offset = QueryInteger(min_value=0, max_value=LARGEST, default=0)
    question_id = QueryInteger(min_value=1, max_value=LARGEST, required=False)
    language = Text(max_length=LANGUAGE_LENGTH, required=False)
    solved = QueryBoolean(required=False)
    since = Moment(required=False)
    until = Moment(required=False)


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
