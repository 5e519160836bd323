"""How views and serializers are documented: drf-spectacular's `AutoSchema`, and what it cannot see by itself."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import exceptions, serializers

from core.api import ApiSerializer, uuid_in_path, validated
from core.errors import ApiError, Failed, HeadersTooLarge, Invalid, TooLarge, Unavailable, UrlTooLong

F = TypeVar("F", bound=Callable[..., Any])


class ErrorSerializer(ApiSerializer):
    """Any error that is not about the form of the input."""

    detail: Any = serializers.CharField(help_text="A sentence for a person.")


class ProblemSerializer(ApiSerializer):
    loc = serializers.ListField(
        child=serializers.CharField(), help_text="`body`, `query`, `path` or `header`, then the field, if any."
    )
    msg = serializers.CharField(help_text="A sentence for a person, which names the field.")
    type = serializers.CharField(help_text="A stable code for programs to branch on.")


class InvalidSerializer(ErrorSerializer):
    """Input that does not validate."""

    detail = ProblemSerializer(many=True)


@cache
def form_of(code: str) -> type[ErrorSerializer]:
    """Each code has a form of its own, so that the code tells a client's compiler what else there is."""
    base = InvalidSerializer if code == Invalid.code else ErrorSerializer
    name = "".join(word.title() for word in code.removesuffix("_error").split("_"))
    return type(f"{name}ErrorSerializer", (base,), {"code": serializers.ChoiceField([code])})


def invalid_example(where: str, described: Any) -> type[Invalid]:
    """What the service says of a wrong id in a path, or of a wrong first field of a body or a query."""
    try:
        if isinstance(described, OpenApiParameter):
            uuid_in_path(described.name, "")
        else:
            others = described.example if where == "body" else {}
            validated(described, {**others, next(iter(described().fields)): "x" * 100_000}, where)
    except Invalid as refusal:
        return type("InvalidExample", (Invalid,), {"detail": refusal.problems})
    raise AssertionError(described)


class UnsupportedMediaType(ApiError):
    """For the document alone: DRF raises its own."""

    status = 415
    code = exceptions.UnsupportedMediaType.default_code
    detail = 'Unsupported media type "text/plain" in request.'


HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The id of this request: the caller's own, if it is a valid one. Quote it to report a problem.",
        "required": True,
        "schema": {"type": "string"},
        "example": "7f9c2ba4e88f41d29b1f0c5a3ea6e3c1",
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string"}, "example": "Bearer"},
    "Retry-After": {
        "description": "Seconds after which the same call may succeed. Of 403, only `account_locked` has it.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 60,
    },
    "RateLimit-Limit": {"description": "Calls allowed in a window.", "schema": {"type": "integer"}, "example": 60},
    "RateLimit-Remaining": {"description": "Calls left in this window.", "schema": {"type": "integer"}, "example": 59},
    "RateLimit-Reset": {"description": "Seconds until the window ends.", "schema": {"type": "integer"}, "example": 42},
    "RateLimit-Policy": {"description": "Limit and window.", "schema": {"type": "string"}, "example": "60;w=60"},
}
ERRORS_OF_EVERY_CALL = (UrlTooLong, HeadersTooLarge, Failed, Unavailable)
RATE_LIMIT_HEADERS = [name for name in HEADERS if name.startswith("RateLimit-")]


def raises(*errors: type[ApiError], limited: Collection[int] = ()) -> Callable[[F], F]:
    """Documents the errors of a view's method, beyond those of its authentication and its throttles.

    Args:
        limited: the statuses with RateLimit headers, where the method itself counts calls.
    """

    def decorate(method: F) -> F:
        vars(method).update(errors=errors, limited=limited)
        return method

    return decorate


class ApiSchema(AutoSchema):
    """Documents a method of an `ApiViewSet`.

    The method's name becomes the operation's id, its docstring the summary and the description. `extend_schema` says
    what goes in and out; serializers have examples. Errors are those that the method, its authentication and its
    throttles declare in `errors`, and those that any call may get.
    """

    view: Any  # an `ApiViewSet`

    @property
    def action_method(self) -> Any:
        return getattr(self.view, self.view.action)

    def get_operation_id(self) -> str:
        first, *others = str(self.view.action).split("_")
        return first + "".join(word.title() for word in others)

    def get_summary(self) -> str:
        return (inspect.getdoc(self.action_method) or "").partition("\n")[0].removesuffix(".")

    def get_description(self, *args: Any) -> str:
        return " ".join((inspect.getdoc(self.action_method) or "").partition("\n")[2].split())

    def get_tags(self) -> list[str]:
        tags: list[str] = self.view.tags
        return tags

    def get_request_serializer(self) -> Any:
        return None

    def get_examples(self) -> list[OpenApiExample]:
        responses = self.get_response_serializers()
        answer = next(iter(responses.values())) if isinstance(responses, dict) else responses
        examples = [
            OpenApiExample("Request", example_of(self.get_request_serializer()), request_only=True),
            OpenApiExample("Answer", example_of(answer), response_only=True),
        ]
        return [example for example in examples if example.value is not None]

    def _get_parameters(self) -> list[dict[str, Any]]:
        """Their examples are in the schemas: Swagger UI would send others as well, unless each is cleared by hand."""
        parameters: list[dict[str, Any]] = super()._get_parameters()
        examples: dict[str, Any] = {}
        for query in self.get_override_parameters():
            examples |= example_of(query) or {}
        for parameter in parameters:
            if parameter["name"] in examples:
                parameter["schema"]["examples"] = [examples[parameter["name"]]]
        return parameters

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        if isinstance(field, serializers.ChoiceField) and len(field.choices) == 1:
            return {"const": next(iter(field.choices))}
        return super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]

    def _insert_field_validators(self, field: Any, schema: Any) -> None:
        super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]
        schema |= getattr(field, "documented", {})

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        """Answers have no other keys. Requests may: they are ignored."""
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        return {**schema, "additionalProperties": False} if direction == "response" else schema

    def get_operation(self, *args: Any) -> Any:
        operation: Any = super().get_operation(*args)
        by_status: dict[str, list[type[ApiError]]] = defaultdict(list)
        for error in self.errors(operation):
            by_status[str(error.status)].append(error)
        responses = operation["responses"] | {
            status: self.error_response(errors) for status, errors in by_status.items()
        }
        limited = [str(status) for status in getattr(self.action_method, "limited", ())]
        if self.view.get_throttles():
            limited += responses.keys() - {"414", "431", "500"}  # answered outside the view
        for status, response in responses.items():
            response["description"] = response["description"] or HTTPStatus(int(status)).phrase
            response["headers"] = response.get("headers", {}) | self.headers(
                status, by_status[status], is_limited=status in limited
            )
        operation["responses"] = dict(sorted(responses.items()))
        return operation

    def errors(self, operation: dict[str, Any]) -> Iterator[type[ApiError]]:
        """What the operation may answer with instead."""
        if "requestBody" in operation:
            yield from (invalid_example("body", self.get_request_serializer()), TooLarge, UnsupportedMediaType)
        elif parameters := self.get_override_parameters():
            yield invalid_example("query", parameters[0])
        for source in (*self.view.get_authenticators(), self.action_method, *self.view.get_throttles()):
            yield from getattr(source, "errors", ())
        yield from ERRORS_OF_EVERY_CALL

    def error_response(self, errors: list[type[ApiError]]) -> dict[str, Any]:
        codes = dict.fromkeys(error.code for error in errors)
        kinds = [self.resolve_serializer(form_of(code), "response").ref for code in codes]
        return json_response(
            " or ".join(f"`{code}`" for code in codes),
            kinds[0] if len(kinds) == 1 else {"oneOf": kinds},
            {error.code: {"detail": error.detail, "code": error.code} for error in errors},
        )

    def headers(self, status: str, errors: list[type[ApiError]], *, is_limited: bool) -> dict[str, Any]:
        names = ["X-Request-ID", *(RATE_LIMIT_HEADERS if is_limited else [])]
        if status == "401":
            names.append("WWW-Authenticate")
        if status in {"429", "503"} or any(error.has_retry_after for error in errors):
            names.append("Retry-After")
        components = [ResolvedComponent(name, ResolvedComponent.HEADER, HEADERS[name], object=name) for name in names]
        for component in components:
            self.registry.register_on_missing(component)
        return {component.name: component.ref for component in components}


def example_of(serializer: Any) -> Any:
    """The example of a serializer, given as drf-spectacular takes it: its class, many of it, or in a response."""
    if isinstance(serializer, OpenApiResponse):
        serializer = serializer.response
    return getattr(getattr(serializer, "child", serializer), "example", None)


def json_response(description: str, schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": schema, "examples": {name: {"value": value} for name, value in examples.items()}}
    return {"description": description, "content": {"application/json": content}}
