"""The API's own documentation: the schema, Swagger UI and Redoc, without a CDN."""

from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView
from orjson import dumps
from rest_framework import exceptions, serializers

from core.api import Shape
from core.errors import ApiError, Failed, Invalid, TooLarge, Unavailable, View, allow

F = TypeVar("F", bound=Callable[..., Any])

# Both pages style themselves inline; Redoc searches in a worker that it makes of a blob, and has a logo on a CDN.
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; worker-src blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def document() -> bytes:
    """Built once per process: it takes as long as hundreds of requests."""
    return dumps(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


@allow("GET", "HEAD")
def schema(request: HttpRequest) -> HttpResponse:
    return HttpResponse(document(), "application/json", headers={"Cache-Control": "public, max-age=300"})


def page(view: View) -> View:
    """One of the two pages that show the document. Its browser talks to nobody else."""

    @allow("GET", "HEAD")
    def confined(request: HttpRequest) -> HttpResponse:
        response = view(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    return confined


swagger = page(SpectacularSwaggerSplitView.as_view(url="/openapi.json"))
redoc = page(SpectacularRedocView.as_view(url="/openapi.json", template_name="redoc.html"))


class Error(Shape):
    """Any error that is not about the form of the input."""

    detail = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(help_text="Stable: decide by it.")


class Problem(Shape):
    loc = serializers.ListField(
        child=serializers.CharField(), help_text="`body`, `query` or `path`, then the field if it is about one."
    )
    msg = serializers.CharField(help_text="A sentence for a person.")
    type = serializers.CharField(help_text="Stable: decide by it.")


class ValidationError(Shape):
    """Input that does not validate."""

    detail = Problem(many=True)
    code = serializers.ChoiceField(["validation_error"])


INVALID = OpenApiResponse(
    ValidationError,
    "The input does not validate.",
    [
        OpenApiExample(
            "Missing field",
            {
                "detail": [{"loc": ["body", "email"], "msg": "Enter an e-mail address.", "type": "missing"}],
                "code": "validation_error",
            },
        )
    ],
)


UNCHANGED = OpenApiResponse(None, "Not Modified: `If-None-Match` names what the client has already.")


class UnsupportedMediaType(ApiError):
    """For the document alone: DRF raises its own."""

    status = 415
    code = exceptions.UnsupportedMediaType.default_code
    detail = 'Unsupported media type "text/plain" in request.'


def error_responses(*kinds: Any) -> dict[int, OpenApiResponse]:
    """The documented errors of an operation, from the very classes that its flows raise."""
    by_status: dict[int, list[Any]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: OpenApiResponse(
            Error,
            " or ".join(f"`{kind.code}`" for kind in group),
            [OpenApiExample(kind.code, {"detail": kind.detail, "code": kind.code}) for kind in group],
        )
        for status, group in by_status.items()
    }


def either(one: OpenApiResponse, other: OpenApiResponse) -> OpenApiResponse:
    """Two kinds of answer that have one status."""
    kinds = [{"$ref": f"#/components/schemas/{each.response.__name__}"} for each in (one, other)]
    description = f"{one.description} Or {other.description}."
    return OpenApiResponse({"oneOf": kinds}, description, [*one.examples, *other.examples])


def documented(**operations: Any) -> Any:
    """A class decorator that documents the view's methods, so that the views themselves stay short."""

    def decorate(view: type) -> type:
        for name, document_method in operations.items():
            setattr(view, name, document_method(getattr(view, name)))
        return view

    return decorate


def operation(  # noqa: PLR0913 - one argument for each thing an operation is documented by
    operation_id: str,
    summary: str,
    *,
    answer: Any,
    answered: Any,
    status: int = 200,
    body: Any = None,
    sent: Any = None,
    asked: dict[str, Any] | None = None,
    others: dict[str, OpenApiResponse] | None = None,
    errors: tuple[Any, ...] = (),
    invalid: bool = False,
    unchanged: bool = False,
    tags: list[str],
    **more: Any,
) -> Callable[[F], F]:
    """One operation's documentation.

    Args:
        body, sent: the shape of the request's body and an example of it.
        answer, answered: the same for the answer of `status`.
        asked: examples of the query's parameters.
        others: the answer in other media types than JSON.
        errors: the errors it may answer with, less those that every operation may.
        invalid: whether there is input that may not validate.
        unchanged: whether there is an answer to `If-None-Match`.
    """
    examples = [OpenApiExample("Request", sent, request_only=True)] if sent is not None else []
    queries = [OpenApiExample(name, value, parameter_only=(name, "query")) for name, value in (asked or {}).items()]
    answers = [OpenApiExample("Answer", answered)] if answered is not None else []
    responses: dict[int, Any] = {status: OpenApiResponse(answer, HTTPStatus(status).phrase, answers)}
    with_a_body = (TooLarge, UnsupportedMediaType) if body is not None else ()
    responses |= error_responses(*errors, *with_a_body, Failed, Unavailable)
    if invalid or body is not None:
        refused = responses.get(Invalid.status)
        responses[Invalid.status] = either(INVALID, refused) if refused else INVALID
    if unchanged:
        responses[304] = UNCHANGED
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        request=body,
        responses=dict(sorted(responses.items())) | {(status, kind): other for kind, other in (others or {}).items()},
        examples=[*examples, *queries],
        tags=tags,
        **more,
    )


HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The id of this request: the caller's, if it sent a sane one. Quote it to report a problem.",
        "required": True,
        "schema": {"type": "string"},
        "example": "7f9c2ba4e88f41d29b1f0c5a3ea6e3c1",
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string"}, "example": "Bearer"},
    "Retry-After": {
        "description": "Seconds after which the same call may succeed.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 60,
    },
    "RateLimit-Limit": {"description": "Calls in a window.", "schema": {"type": "integer"}, "example": 60},
    "RateLimit-Remaining": {"description": "How many are left.", "schema": {"type": "integer"}, "example": 59},
    "RateLimit-Reset": {"description": "Seconds to its end.", "schema": {"type": "integer"}, "example": 42},
    "RateLimit-Policy": {"description": "Both in one.", "schema": {"type": "string"}, "example": "60;w=60"},
}
OF_RATE_LIMITS = [name for name in HEADERS if name.startswith("RateLimit-")]


def headers_of(status: str, response: dict[str, Any], *, limited: bool) -> dict[str, Any]:
    names = ["X-Request-ID", *(OF_RATE_LIMITS if limited else [])]
    if status == "401":
        names.append("WWW-Authenticate")
    if status in {"429", "503"} or "`account_locked`" in response["description"]:
        names.append("Retry-After")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def json_response(description: str, schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": schema, "examples": {"Answer": {"value": example}}}
    return {"description": description, "content": {"application/json": content}}


def health() -> dict[str, Any]:
    """The operations of `peerprep_users.health`, which drf-spectacular cannot see: they are no DRF views."""
    ok = json_response("OK", {"$ref": "#/components/schemas/Ok"}, {"ok": True})
    down = {"type": "array", "items": {"type": "string"}}
    error = {"$ref": "#/components/schemas/Error"}
    schema = {"allOf": [error, {"type": "object", "properties": {"down": down}, "required": ["down"]}]}
    body = {"detail": "The database does not answer.", "code": "service_unavailable", "down": ["database"]}
    not_ready = json_response("`down` names what is missing.", schema, body)
    liveness = {"operationId": "checkLiveness", "summary": "Whether the process answers"}
    readiness = {"operationId": "checkReadiness", "summary": "Whether what a request needs is there"}
    return {
        "/healthz": {"get": {**liveness, "tags": ["health"], "responses": {"200": ok}}},
        "/readyz": {"get": {**readiness, "tags": ["health"], "responses": {"200": ok, "503": not_ready}}},
    }


def complete(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's last step: adds what it does not see."""
    result["paths"] |= health()
    result["components"]["headers"] = HEADERS
    for path in result["paths"].values():
        for each in path.values():
            limited = "429" in each["responses"]
            for status, response in each["responses"].items():
                response["headers"] = response.get("headers", {}) | headers_of(status, response, limited=limited)
    return result
