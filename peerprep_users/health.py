"""Liveness and readiness probes."""

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.models import Mail
from core.errors import allow

OUTBOXES = {"mails": Mail.objects}


@allow("GET", "HEAD")
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: this process answers. It asks no other service."""
    return JsonResponse({"ok": True})


@allow("GET", "HEAD")
def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness: what every request needs is available."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return database_down()
    return JsonResponse({"ok": True})


@allow("GET", "HEAD")
def readiness_details(request: HttpRequest) -> HttpResponse:
    """What no request needs, but operators should know: whether the outboxes are sent."""
    try:
        undelivered = {
            name: {"waiting": outbox.waiting().count(), "oldest_seconds": round(outbox.oldest_age(), 1)}
            for name, outbox in OUTBOXES.items()
        }
    except Error:
        return database_down()
    return JsonResponse({"ok": True, "undelivered": undelivered})


def database_down() -> HttpResponse:
    body = {"detail": "The database does not answer.", "code": "service_unavailable", "down": ["database"]}
    return JsonResponse(body, status=503, headers={"Retry-After": "1"})
