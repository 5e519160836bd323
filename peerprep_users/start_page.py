"""The page at `/`: what this is, and where to go from here."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core.errors import ErrorResponse, NotFound
from core.pages import page, wants_page


def start_page(request: HttpRequest) -> HttpResponse:
    """For people. Programs find nothing here."""
    if request.method in {"GET", "HEAD"} and wants_page(request):
        return page("start.html", {"title": settings.APP_NAME})
    return ErrorResponse(NotFound())
