"""Liveness and readiness, for whoever runs the service."""

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.models import Mail
from core.errors import allow

OUTBOXES = {"mails": Mail.objects}


@allow("GET", "HEAD")
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: this process answers. Asks nothing of anybody else."""
    return JsonResponse({"ok": True})


@allow("GET", "HEAD")
def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness: what a request needs is there."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return database_down()
    return JsonResponse({"ok": True})


@allow("GET", "HEAD")
def readiness_details(request: HttpRequest) -> HttpResponse:
    """What no request needs, but an operator should know: whether what is to leave the service does."""
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
