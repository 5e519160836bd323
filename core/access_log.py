"""The line in the log, and the counts, of each request. What is secret about one is in neither."""

import logging
import re
from functools import cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import Resolver404, resolve

from core.metrics import DURATIONS, REQUESTS

log = logging.getLogger("peerprep_users.requests")

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OTHER = "OTHER"
UNMATCHED, MALFORMED = "unmatched", "malformed"
QUIET = {"/healthz", "/readyz", "/readyz/details", "/metrics"}


def note(*, method: str, route: str, status: int, seconds: float, request_id: str, user_id: str | None = None) -> None:
    """Counts an answer and logs it; what only probes ask for is not worth a line unless it fails."""
    requests, durations = series(method, route, status)
    requests.inc()
    durations.observe(seconds)
    if (route in QUIET and status < HTTPStatus.BAD_REQUEST) or not log.isEnabledFor(logging.INFO):
        return
    milliseconds = round(seconds * 1000, 1)
    facts = {"method": method, "route": route, "status": status, "duration_ms": milliseconds, "request_id": request_id}
    if user_id:
        facts["user_id"] = user_id
    log.info("%s %s %d %s ms", method, route, status, milliseconds, extra=facts)


@cache
def series(method: str, route: str, status: int) -> tuple[Any, Any]:
    """Looking a series up by its labels costs more than counting."""
    return REQUESTS.labels(method, route, str(status)), DURATIONS.labels(route)


def method_of(request: HttpRequest) -> str:
    """The method, if it is one: anybody can make up others, and each would be a series for ever."""
    return request.method if request.method in METHODS else OTHER


def route_of(request: HttpRequest) -> str:
    """The pattern that the path matched; never the path, which may be long, unique or secret."""
    match = request.resolver_match
    if match is None:
        return route_of_unresolved(request)
    return route_of_pattern(match.route)


@cache
def route_of_pattern(pattern: str) -> str:
    """`/auth/sessions/{session_id}` for `auth/sessions/<str:session_id>`, and for regular expressions alike."""
    named = re.sub(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>", lambda found: f"{{{found[1] or found[2]}}}", pattern)
    return "/" + re.sub(r"[\^$\\]", "", named)


def route_of_unresolved(request: HttpRequest) -> str:
    """Where a middleware answered: static files, what a browser asks before a call. And where nothing matches."""
    if request.path_info.startswith(settings.STATIC_URL):
        return f"{settings.STATIC_URL}{{path}}"
    if request.method != "OPTIONS":
        return UNMATCHED
    try:
        return route_of_pattern(resolve(request.path_info).route)
    except Resolver404:
        return UNMATCHED


def user_id_of(request: HttpRequest) -> str | None:
    """Whose request it turned out to be. Django's lazy user, which would ask the database, is not looked at."""
    known = request.__dict__
    user = known.get("_cached_user") if "_cached_user" in known or "session" in known else known.get("user")
    return str(user.pk) if user is not None and user.pk else None
