"""The API's own documentation: the schema, Swagger UI and Redoc, without a CDN."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView
from orjson import dumps
from rest_framework import serializers

from peerprep_users.api import Shape
from peerprep_users.errors import View, allow

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

    detail = serializers.CharField()
    code = serializers.CharField()


class Problem(Shape):
    loc = serializers.ListField(child=serializers.CharField())
    msg = serializers.CharField()
    type = serializers.CharField()


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
                "detail": [{"loc": ["body", "email"], "msg": "This field is required.", "type": "missing"}],
                "code": "validation_error",
            },
        )
    ],
)


def refusals(*kinds: Any) -> dict[int, OpenApiResponse]:
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
    errors: tuple[Any, ...] = (),
    invalid: bool = False,
    tags: list[str],
    **more: Any,
) -> Callable[[F], F]:
    """One operation's documentation.

    Args:
        body, sent: the shape of the request's body and an example of it.
        answer, answered: the same for the answer of `status`.
        errors: the refusals it may meet with.
        invalid: whether there is input that may not validate.
    """
    examples = [OpenApiExample("Request", sent, request_only=True)] if sent is not None else []
    responses: dict[int, Any] = {
        status: OpenApiResponse(answer, examples=[OpenApiExample("Answer", answered)] if answered is not None else [])
    }
    responses |= refusals(*errors)
    if invalid or body is not None:
        responses[422] = INVALID
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        request=body,
        responses=responses,
        examples=examples,
        tags=tags,
        **more,
    )
