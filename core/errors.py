"""Errors as clients see them: `{"detail": …, "code": …}`, for every cause."""

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from math import ceil
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, Error, IntegrityError, NotSupportedError, ProgrammingError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from orjson import dumps
from rest_framework import exceptions
from rest_framework.response import Response

log = logging.getLogger(__name__)

Problem = dict[str, Any]
View = Callable[[HttpRequest], HttpResponse]


class ApiError(Exception):
    """An error response. Flows define theirs next to the function that raises it.

    Args:
        retry_after: seconds after which the same call may succeed; sent as `Retry-After`.
    """

    status = 400
    code = "bad_request"
    detail: str | list[Problem] = "This request is not valid."
    has_retry_after = False  # for the OpenAPI document; every 429 and 503 has it anyway

    def __init__(self, *, retry_after: float | None = None) -> None:
        super().__init__(self.code)
        self.headers: dict[str, str] = {}
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, ceil(retry_after)))
        if self.status == HTTPStatus.UNAUTHORIZED:
            self.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 section 11.6.1

    @property
    def body(self) -> dict[str, Any]:
        return {"detail": self.detail, "code": self.code}


class Invalid(ApiError):
    """Input that does not validate, in the list form that FastAPI gave existing clients.

    Args:
        problems: what is wrong, each with `loc`, `msg` and `type`.
    """

    status = 422
    code = "validation_error"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__()
        self.detail = self.problems = problems


class MalformedRequest(ApiError):
    detail = "This is not a valid HTTP request."


class UrlTooLong(ApiError):
    status = 414
    code = "request_too_large"
    detail = "The request URL is too long."


class HeadersTooLarge(ApiError):
    status = 431
    code = "request_too_large"
    detail = "The request headers are too large."


class NotAuthenticated(ApiError):
    status = 401
    code = "not_authenticated"
    detail = "Sign in first: send `Authorization: Bearer <access token>`."


class MethodNotAllowed(ApiError):
    status = 405
    code = "method_not_allowed"
    detail = "This path does not support this method."


class NotFound(ApiError):
    status = 404
    code = "not_found"
    detail = "Not found."


class Forbidden(ApiError):
    status = 403
    code = "forbidden"
    detail = "You do not have permission to do this."


class StaleForm(Forbidden):
    """A form of the admin site whose CSRF token is not, or no longer, that of the browser."""

    detail = "This form is out of date. Open its page again, and send it from there."


class TooLarge(ApiError):
    status = 413
    code = "body_too_large"
    detail = "The request body is larger than 1 MiB."


class Unreadable(ApiError):
    code = "unreadable_body"
    detail = "The request body could not be read."


class Unavailable(ApiError):
    status = 503
    code = "service_unavailable"
    detail = "The service is temporarily unavailable. Try again in a moment."


class Failed(ApiError):
    status = 500
    code = "internal_error"
    detail = "Something went wrong on our side. Quote the X-Request-ID of this response when you report it."


def api_error_for(exc: Exception) -> ApiError | None:
    """The ApiError that `exc` is answered with; None for a bug of ours."""
    if isinstance(exc, ApiError):
        return exc
    for kind, translate in TRANSLATIONS.items():
        if isinstance(exc, kind):
            return translate(exc)
    return None


def not_json(exc: Exception) -> ApiError:
    return Invalid([{"loc": ["body"], "msg": str(exc), "type": "json_invalid"}])


def database_down(exc: Error) -> ApiError | None:
    """Also for InternalError, which a read-only primary raises, and all else that is no mistake in a statement."""
    if isinstance(exc, STATEMENT_ERRORS) and getattr(exc.__cause__, "sqlstate", None) not in NOT_AS_IT_MUST_BE:
        return None
    log.error("The database cannot do its work: %s", exc)
    return Unavailable(retry_after=1)


def first_line(exc: Exception) -> str:
    """What a database's error says, without the hints that follow, to go on with in a sentence."""
    return str(exc).partition("\n")[0].rstrip(".?")


def of_framework(exc: exceptions.APIException) -> ApiError:
    error = ApiError()
    error.status, error.code, error.detail = exc.status_code, exc.default_code, str(exc.detail)
    return error


# A bug of ours; every other database error means that the database cannot do its work at present.
STATEMENT_ERRORS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)

# PostgreSQL's codes where the database is to blame for an error in a statement: a privilege is missing, a table, a
# column, or something that a table or a cached plan supported before. SQLite reports these as operational errors.
NOT_AS_IT_MUST_BE = {"42501", "42P01", "42703", "0A000"}

TRANSLATIONS: dict[type[Exception], Callable[[Any], ApiError | None]] = {
    exceptions.ParseError: not_json,
    exceptions.NotAuthenticated: lambda _: NotAuthenticated(),
    exceptions.MethodNotAllowed: lambda _: MethodNotAllowed(),
    exceptions.APIException: of_framework,
    Http404: lambda _: NotFound(),
    PermissionDenied: lambda _: Forbidden(),
    RequestDataTooBig: lambda _: TooLarge(),
    UnreadablePostError: lambda _: Unreadable(),
    Error: database_down,
}


def handle(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. Leaves bugs and database errors to `RequestMiddleware`, which counts the latter."""
    error = None if isinstance(exc, Error) else api_error_for(exc)
    if error is None:
        return None
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        error.headers["Allow"] = ", ".join(method.upper() for method in context["view"].action_map)
    return Response(error.body, status=error.status, headers=error.headers)


class ErrorResponse(HttpResponse):
    """The same response outside DRF's views. `RequestMiddleware` makes a page of it where a person sees it."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(dumps(error.body), "application/json", error.status, headers=error.headers)
        self.error = error


def allow(*methods: str) -> Callable[[View], View]:
    """A decorator that keeps a plain Django view to its methods."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest) -> HttpResponse:
            if request.method in methods:
                return view(request)
            error = MethodNotAllowed()
            error.headers["Allow"] = ", ".join(methods)
            return ErrorResponse(error)

        return guarded

    return decorate


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return ErrorResponse(api_error_for(exception) or ApiError())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return ErrorResponse(Forbidden())


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Logs the reason without the origin or address that the client sent. Django's own line has the path."""
    log.warning("The CSRF check failed: %s", reason.partition(" - ")[0])
    return ErrorResponse(StaleForm() if reason.startswith("CSRF ") else Forbidden())  # the others are about the origin


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return ErrorResponse(NotFound())


def failed(request: HttpRequest) -> HttpResponse:
    return ErrorResponse(Failed())
