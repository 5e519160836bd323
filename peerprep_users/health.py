"""Liveness and readiness, for whoever runs the service."""

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from peerprep_users.errors import allow


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
        body = {"detail": "The database does not answer.", "code": "service_unavailable", "down": ["database"]}
        return JsonResponse(body, status=503, headers={"Retry-After": "1"})
    return JsonResponse({"ok": True})
