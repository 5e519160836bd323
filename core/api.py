"""The base of every view and serializer, and the check that input passes before anything else sees it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from core.errors import Invalid, Problem
from core.fields import InputField

UUID_LENGTH = 36


class ApiSerializer(serializers.Serializer[Any]):
    """A body, a query or an answer. Checks fields, never writes."""

    default_error_messages = dict.fromkeys(("invalid", "null"), "The body must be a JSON object.")
    example: Any = None  # for the OpenAPI document


class ApiViewSet(ViewSet):
    """A view parses, makes one call to a flow and answers."""

    tags: list[str] = []  # for the OpenAPI document

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action not in self.action_map.values():
            self.http_method_not_allowed(request)  # before anybody is asked who they are
        super().initial(request, *args, **kwargs)

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {}


@cache
def shared(serializer_class: type[ApiSerializer]) -> ApiSerializer:
    """One instance per process serves every request: building a serializer costs more than running it."""
    return serializer_class()


def validated(serializer_class: type[ApiSerializer], data: Any, where: str) -> dict[str, Any]:
    """The input, checked by the serializer.

    Args:
        where: `body`, `query` or `path`; the first part of each problem's `loc`.

    Raises:
        Invalid: with a problem for each field that is wrong.
    """
    serializer = shared(serializer_class)
    try:
        values: dict[str, Any] = serializer.run_validation(data)
    except serializers.ValidationError as exc:
        raise Invalid(list(problems(serializer, exc.detail, where))) from None
    return values


def problems(serializer: ApiSerializer, detail: Any, where: str) -> Iterator[Problem]:
    """DRF's errors in the contract's form. Clients show `msg` alone, so it names the field: see `InputField`."""
    for name, errors in detail.items() if isinstance(detail, Mapping) else [("", detail)]:
        field = serializer.fields.get(name)
        subject = field.name_in_messages if isinstance(field, InputField) else name
        for error in errors:
            yield {
                "loc": [where, name] if field else [where],
                "msg": f"{subject} {error}" if error[0].islower() else str(error),
                "type": TYPES.get(error.code, error.code),
            }


TYPES: dict[str, str] = {
    "required": "missing",
    "null": "null_not_allowed",
    "blank": "string_too_short",
    "min_length": "string_too_short",
    "max_length": "string_too_long",
    "min_value": "greater_than_equal",
    "max_value": "less_than_equal",
    "invalid": "value_error",
}


def uuid_in_path(name: str, value: str) -> UUID:
    """The id in a path.

    Raises:
        Invalid: where it is no UUID in its usual form of 36 characters.
    """
    try:
        parsed = UUID(value) if len(value) == UUID_LENGTH else None
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != value.lower():
        raise Invalid([{"loc": ["path", name], "msg": f"{name} must be a UUID.", "type": "uuid_parsing"}])
    return parsed
