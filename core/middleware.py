"""What holds for every request: its id, one path with or without a slash, no caching, and a line in the log."""

import re
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from secrets import token_hex

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from core import access_log
from core.errors import ApiError, MethodNotAllowed, api_error_for, respond
from core.logging import request_id
from core.metrics import DATABASE_ERRORS

SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
ADMIN = "/admin"
KEPT = {"Allow", "Content-Range"}


class RequestMiddleware:
    """The outermost layer; the answers of every other one pass through here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        sent = request.META.get("HTTP_X_REQUEST_ID", "")
        own_id = sent if SANE_ID.fullmatch(sent) else token_hex(16)
        token = request_id.set(own_id)
        request.request_id = own_id  # type: ignore[attr-defined]  # for the lines that Django logs after this
        try:
            request.path_info = canonical(request)
            response = with_body(self.get_response(request))
            response.headers["X-Request-ID"] = own_id
            response.headers.setdefault("Cache-Control", "no-store")
            if response.streaming:
                when_closed(response, partial(note, request, response.status_code, started, own_id))
            else:
                note(request, response.status_code, started, own_id)
            return response
        finally:
            request_id.reset(token)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answers for the views that are not DRF's, as `errors.handle` does for those that are."""
        error = api_error_for(exception)
        if error is None and isinstance(exception, DatabaseError):
            DATABASE_ERRORS.labels(type(exception).__name__).inc()
        return respond(error) if error else None


def when_closed(response: HttpResponseBase, call: Callable[[], None]) -> None:
    """Calls it at the end of an answer that is made while it is sent."""
    close = response.close

    def close_and_call() -> None:
        response.close = close  # type: ignore[method-assign]  # a server may close twice
        try:
            close()
        finally:
            call()

    response.close = close_and_call  # type: ignore[method-assign]


def note(request: HttpRequest, status: int, started: float, own_id: str) -> None:
    access_log.note(
        method=access_log.method_of(request),
        route=access_log.route_of(request),
        status=status,
        seconds=time.perf_counter() - started,
        request_id=own_id,
        user_id=access_log.user_id_of(request),
    )


def with_body(response: HttpResponseBase) -> HttpResponseBase:
    """The answer, or the envelope where it is an error without a body, as those about static files are."""
    if response.status_code < HTTPStatus.BAD_REQUEST or "Content-Type" in response.headers:
        return response
    error = MethodNotAllowed() if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED else ApiError()
    error.status = response.status_code
    error.headers |= {name: value for name, value in response.headers.items() if name in KEPT}
    return respond(error)


def canonical(request: HttpRequest) -> str:
    """The path in the form that the URL tables have: without its trailing slash, or with it in the admin site."""
    path = request.path_info.removesuffix("/")
    return f"{path}/" if is_admin(request) else path or "/"


def is_admin(request: HttpRequest) -> bool:
    return request.path_info == ADMIN or request.path_info.startswith(f"{ADMIN}/")
