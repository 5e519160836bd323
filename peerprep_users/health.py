"""Liveness and readiness probes."""

from functools import wraps
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.models import Mail
from core.client import came_through_proxy
from core.errors import ErrorResponse, NotFound, View, allow
from core.estimates import count_or_estimate
from core.models import Event
from core.openapi import json_response
from core.outbox import OutboxQuerySet

DATABASE_DOWN_BODY = {
    "detail": "The database does not answer, or accepts no writes.",
    "code": "service_unavailable",
    "down": ["database"],
}


def outboxes() -> dict[str, OutboxQuerySet[Any]]:
    """Those in use, by name."""
    found: dict[str, OutboxQuerySet[Any]] = {"mails": Mail.objects.all()}
    return found | {"events": Event.objects.all()} if settings.RABBITMQ_URL else found


def internal(view: View) -> View:
    """A view for the internal network only. An existing gateway passes every path on: what came through one is 404."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        return ErrorResponse(NotFound()) if came_through_proxy(request) else view(request)

    return guarded


@allow("GET", "HEAD")
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: this process answers. It asks no other service, and has no request slot: see wsgi.py."""
    return HttpResponse('{"ok":true}', content_type="application/json")


@allow("GET", "HEAD")
def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness: what every request needs is available."""
    try:
        with connection.cursor():
            if connection.is_usable():
                return JsonResponse({"ok": True})
        connection.close()  # a new one may lead to another server
    except Error:
        pass
    return not_ready()


@internal
@allow("GET", "HEAD")
def readiness_details(request: HttpRequest) -> HttpResponse:
    """What no request needs, but operators should know: whether the outboxes are sent."""
    try:
        undelivered = {
            name: {
                "waiting": count_or_estimate(outbox.waiting()).value,
                "oldest_seconds": round(outbox.oldest_age(), 1),
            }
            for name, outbox in outboxes().items()
        }
    except Error:
        return not_ready()
    return JsonResponse({"ok": True, "undelivered": undelivered})


def not_ready() -> HttpResponse:
    return JsonResponse(DATABASE_DOWN_BODY, status=503, headers={"Retry-After": "1"})


def document_health(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A hook of drf-spectacular, which does not see these views: they are Django's, not DRF's."""
    ok = json_response("OK", {"$ref": "#/components/schemas/Ok"}, {"Answer": {"ok": True}})
    schema = {
        "type": "object",
        "properties": {
            "detail": {"type": "string"},
            "code": {"const": DATABASE_DOWN_BODY["code"]},
            "down": {"type": "array", "items": {"type": "string"}},
        },
        "required": list(DATABASE_DOWN_BODY),
        "additionalProperties": False,
    }
    not_ready = json_response("`down` names what is missing.", schema, {"Answer": DATABASE_DOWN_BODY})
    for response, names in ((ok, ["X-Request-ID"]), (not_ready, ["X-Request-ID", "Retry-After"])):
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    liveness = {
        "operationId": "checkLiveness",
        "summary": "Whether the process answers",
        "description": "It needs neither the database nor any other service.",
    }
    readiness = {
        "operationId": "checkReadiness",
        "summary": "Whether calls can be served",
        "description": "They need a database that answers and accepts writes.",
    }
    result["paths"] |= {
        "/healthz": {"get": {**liveness, "tags": ["health"], "responses": {"200": ok}}},
        "/readyz": {"get": {**readiness, "tags": ["health"], "responses": {"200": ok, "503": not_ready}}},
    }
    return result
