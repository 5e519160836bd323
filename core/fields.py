"""Fields as strict as JSON is: a string is a string, a number is a number, and each has its range."""

import re
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.validators import ProhibitNullCharactersValidator
from django.utils.dateparse import parse_datetime
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from core.times import in_utc

ZONE_LENGTH = MOMENT_LENGTH = 64
DIGITS = re.compile(r"(-?[0-9]{1,20})(\.0{1,20})?")


class InputField(serializers.Field[Any, Any, Any, Any]):
    """A field of a request. A message that begins in lower case continues its name, or the label that people know."""

    default_error_messages = {"required": "is required.", "null": "must not be null."}
    name_in_messages = ""
    documented: dict[str, Any] = {}  # for the OpenAPI document, beyond what drf-spectacular sees

    def bind(self, field_name: str, parent: Any) -> None:
        self.name_in_messages = f"The {self.label}" if self.label else field_name
        super().bind(field_name, parent)


class Text(InputField, serializers.CharField):
    """A string, without NUL, which PostgreSQL cannot hold.

    One that is too long as it was sent is refused before anything else is done with it. One that is optional and empty
    counts as absent.

    Args:
        prompt: a sentence that asks for a missing value.
    """

    default_error_messages = {
        "string_type": "must be a string.",
        "blank": "must not be empty.",
        "min_length": "needs at least {min_length:,} characters.",
        "max_length": "may have at most {max_length:,} characters.",
    }
    refused_characters = r"\u0000"

    def __init__(self, *, prompt: str | None = None, **kwargs: Any) -> None:
        prompts: dict[str, Any] = dict.fromkeys(("required", "null", "blank"), prompt) if prompt else {}
        super().__init__(error_messages=prompts, **kwargs)
        # Neither orjson nor Django's reading of a query lets lone surrogates in. The validator looks at each character.
        self.validators = [
            each for each in self.validators if not isinstance(each, ProhibitSurrogateCharactersValidator)
        ]
        for validator in self.validators:
            if isinstance(validator, ProhibitNullCharactersValidator):
                validator.message = "must not contain null characters."

    @property
    def documented(self) -> dict[str, Any]:  # type: ignore[override]
        refused = self.refused_characters
        if not self.required:  # it may be empty, however long it is otherwise
            return {"pattern": f"^([^{refused}]{{{self.min_length or 0},}})?$", "minLength": 0}
        may_be_blank = self.allow_blank or not self.trim_whitespace
        return {"pattern": f"^[^{refused}]*$" if may_be_blank else rf"^[^{refused}]*[^\s{refused}][^{refused}]*$"}

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str):
            if self.max_length is not None and len(data) > self.max_length:
                self.fail("max_length", max_length=self.max_length)
            if not self.required and not (data.strip() if self.trim_whitespace else data):
                data = serializers.empty
        elif data is not serializers.empty and data is not None:
            self.fail("string_type")
        return super().run_validation(data)


class QueryText(Text):
    """A parameter of a query. Django has replaced bytes that are not UTF-8 by U+FFFD, so that character is refused."""

    default_error_messages = {"utf8": "must be UTF-8."}
    refused_characters = r"\u0000\uFFFD"

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if "\N{REPLACEMENT CHARACTER}" in text:
            self.fail("utf8")
        return text


class Integer(InputField, serializers.IntegerField):
    """A JSON number without a fraction (`3.0` is one, as in JSON Schema); never a string, never a boolean."""

    default_error_messages = {
        "int_type": "must be a whole number.",
        "min_value": "must be at least {min_value}.",
        "max_value": "must be at most {max_value}.",
    }

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            return int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("int_type")
        return data


class QueryInteger(Integer):
    """The same in a query string: ASCII digits only."""

    def to_internal_value(self, data: Any) -> int:
        found = DIGITS.fullmatch(data)
        if not found:
            self.fail("int_type")
        return int(found[1])


class QueryBoolean(InputField, serializers.BooleanField):
    """`true` or `false`."""

    default_error_messages = {"bool_parsing": "must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        words = {"true": True, "1": True, "false": False, "0": False}
        if data.lower() not in words:
            self.fail("bool_parsing")
        return words[data.lower()]


class Moment(InputField, serializers.DateTimeField):
    """A time in ISO 8601; UTC where it names no zone. A `+` that a query string turned into a space is understood."""

    default_error_messages = {"datetime_parsing": "must be a time such as 2026-11-24T12:00:00Z."}

    def to_internal_value(self, data: Any) -> datetime:
        if len(data) > MOMENT_LENGTH or not (data.isascii() and data.isprintable()):
            self.fail("datetime_parsing")
        try:
            moment = parse_datetime(data[:11] + data[11:].replace(" ", "+"))
            moment = moment and in_utc(moment)
        except (ValueError, OverflowError):
            moment = None
        if moment is None:
            self.fail("datetime_parsing")
        return moment


class Choice(InputField, serializers.ChoiceField):
    """One of the words."""

    default_error_messages = {"invalid_choice": "must be one of these: {choices}."}

    def to_internal_value(self, data: Any) -> Any:
        if data not in self.choices:
            self.fail("invalid_choice", choices=", ".join(map(str, self.choices)))
        return data


class TimeZone(Text):
    """The name of a zone in the IANA database."""

    default_error_messages = {"zone": "must be the name of a time zone, such as Asia/Singapore."}
    documented = {"format": "time-zone", "pattern": "^([A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*)?$", "minLength": 0}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length = ZONE_LENGTH  # no validator: that would get the parsed value

    def to_internal_value(self, data: Any) -> ZoneInfo:
        name = super().to_internal_value(data)
        if name not in zones():
            self.fail("zone")
        return ZoneInfo(name)


@cache
def zones() -> frozenset[str]:
    """Listed once per process: finding them walks through a folder."""
    return frozenset(available_timezones())
