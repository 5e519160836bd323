"""What holds for every request: its id, one path with or without a slash, no caching, a log line and its counts."""

import logging
import re
import time
from collections.abc import Callable
from functools import cache, partial
from http import HTTPStatus
from secrets import token_hex
from typing import Any

from corsheaders import middleware
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.cache import patch_vary_headers

from core.errors import ApiError, ErrorResponse, MethodNotAllowed, api_error_for
from core.logging import request_id
from core.metrics import DATABASE_ERRORS, DURATIONS, REQUESTS
from core.pages import show_error, wants_page

log = logging.getLogger("peerprep_users.requests")

SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
ADMIN = "/admin"
PAGES = {"/", "/verify-email"}
KEPT_HEADERS = {"Allow", "Content-Range"}
LOGGED_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
PROBES = {"/healthz", "/readyz", "/readyz/details", "/metrics"}


class RequestMiddleware:
    """The outermost layer: the responses of all other middleware pass through it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        sent = request.META.get("HTTP_X_REQUEST_ID", "")
        own_id = sent if SANE_ID.fullmatch(sent) else token_hex(16)
        request.META["HTTP_X_REQUEST_ID"] = own_id  # what Django logs after this finds it here
        token = request_id.set(own_id)
        try:
            request.path_info = canonical_path(request)
            response: HttpResponseBase = with_body(self.get_response(request))
            if isinstance(response, ErrorResponse) and is_for_people(request) and wants_page(request):
                show_error(request, response)
            response.headers["X-Request-ID"] = own_id
            response.headers.setdefault("Cache-Control", "no-store")
            finish = partial(log_answered, request, response.status_code, started)
            if response.streaming:
                response._resource_closers.append(finish)  # type: ignore[attr-defined]  # noqa: SLF001 - see `close`
            else:
                set_length(request, response)
                finish()
            return response
        finally:
            request_id.reset(token)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answers what a view raises, unless DRF's handler has done so."""
        if isinstance(exception, Error):
            DATABASE_ERRORS.labels(type(exception).__name__).inc()
        error = api_error_for(exception)
        return ErrorResponse(error) if error else None


class CorsMiddleware(middleware.CorsMiddleware):
    """Leaves the calls alone that are not a browser's from another origin."""

    def __call__(self, request: HttpRequest) -> Any:
        if "HTTP_ORIGIN" in request.META:
            return super().__call__(request)
        response: Any = self.get_response(request)
        if "Cache-Control" in response.headers:  # a cache must not give it to other origins, which need a header more
            patch_vary_headers(response, ("origin",))
        return response


def canonical_path(request: HttpRequest) -> str:
    """The path as the URL tables have it: without its trailing slash, but with it in the admin site."""
    path = request.path_info.removesuffix("/")
    return f"{path}/" if is_admin(request) else path or "/"


def is_admin(request: HttpRequest) -> bool:
    return request.path_info == ADMIN or request.path_info.startswith(f"{ADMIN}/")


def is_for_people(request: HttpRequest) -> bool:
    return request.path_info in PAGES or is_admin(request)


def set_length(request: HttpRequest, response: Any) -> None:
    """States the length of the body, or of what GET would send; HEAD of a download has no body to measure."""
    if response.content or request.method != "HEAD":
        response.headers.setdefault("Content-Length", str(len(response.content)))


def with_body(response: Any) -> Any:
    """The response; the envelope instead of an error without a body, such as Django's own about methods."""
    if response.status_code < HTTPStatus.BAD_REQUEST or (not response.streaming and response.content):
        return response
    error = MethodNotAllowed() if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED else ApiError()
    error.status = response.status_code
    answer = ErrorResponse(error)
    for name, value in response.headers.items():
        # Those of a static file are about the file, and no error is cached.
        if name in KEPT_HEADERS or not (response.streaming or name == "Cache-Control"):
            answer.headers.setdefault(name, value)
    answer.cookies = response.cookies
    return answer


# --- The access log -------------------------------------------------------------------------------------------------


def log_answered(request: HttpRequest, status: int, started: float) -> None:
    """Logs and counts a request. What is secret about it, such as its path and query, is in neither."""
    log_request(
        # Anyone can make up methods, and each would be a time series for ever.
        method=request.method if request.method in LOGGED_METHODS else "OTHER",
        route=route_of(request),
        status=status,
        seconds=time.perf_counter() - started,
        request_id=request.META["HTTP_X_REQUEST_ID"],
        caller=caller_of(request),
    )


def log_request(
    *, method: str, route: str, status: int, seconds: float, request_id: str, caller: dict[str, str] | None = None
) -> None:
    requests, durations = time_series(method, route, status)
    requests.inc()
    durations.observe(seconds)
    if (route in PROBES and status < HTTPStatus.BAD_REQUEST) or not log.isEnabledFor(logging.INFO):
        return
    milliseconds = round(seconds * 1000, 1)
    facts = {"method": method, "route": route, "status": status, "duration_ms": milliseconds, "request_id": request_id}
    facts |= caller or {}
    log.info("%s %s %d %s ms", method, route, status, milliseconds, extra=facts)


@cache
def time_series(method: str, route: str, status: int) -> tuple[Any, Any]:
    """Cached, since finding a series by its labels costs more than counting."""
    return REQUESTS.labels(method, route, str(status)), DURATIONS.labels(route)


def route_of(request: HttpRequest) -> str:
    """The pattern that the path matched; never the path, which may be long, unique or secret."""
    if request.resolver_match is not None:
        return readable_route(request.resolver_match.route)
    if request.path_info.startswith(settings.STATIC_URL):
        return f"{settings.STATIC_URL}{{path}}"
    if request.method == "OPTIONS":  # a preflight request, which the CORS middleware answers
        try:
            return readable_route(resolve(request.path_info).route)
        except Resolver404:
            pass
    return "unmatched"


@cache
def readable_route(pattern: str) -> str:
    """`/auth/sessions/{session_id}` for `auth/sessions/<str:session_id>`, and for regular expressions alike."""
    named = re.sub(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>", lambda found: f"{{{found[1] or found[2]}}}", pattern)
    return "/" + re.sub(r"[\^$\\]", "", named)


def caller_of(request: HttpRequest) -> dict[str, str]:
    """The signed-in user, or the service that calls.

    Django's lazy user is left alone where it was not loaded: it would query the database.
    """
    known = request.__dict__
    user = known.get("_cached_user") if "_cached_user" in known or "session" in known else known.get("user")
    if name := getattr(user, "name_of_service", None):
        return {"service": name}
    return {"user_id": str(user.pk)} if user is not None and user.pk else {}
