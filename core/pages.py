"""Small pages for people: without scripts, and with nothing from elsewhere."""

from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.template.loader import render_to_string

from core.errors import ErrorResponse, StaleForm

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
FORM = "application/x-www-form-urlencoded"
TITLES = {
    400: "This address does not work",
    403: "This is not possible here",
    404: "There is nothing here",
    405: "There is nothing to open here",
    413: "That was too large",
    429: "That was too often",
    503: "The service is not available at the moment",
}
# The fields that a person types into, but no secret ones, by their labels.
TYPED = {"email": "E-mail address", "username": "E-mail address", "name": "Name", "reason": "Reason"}


def page(template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Rendered without the request, so that no context processor asks the database."""
    content = render_to_string(template, {"product": settings.MAIL_FROM_NAME, **context})
    return HttpResponse(content, status=status, headers={"Content-Security-Policy": POLICY})


def wants_page(request: HttpRequest) -> bool:
    """Whether a browser opens the path, rather than a program that calls it."""
    return bool(request.META.get("HTTP_ACCEPT", "").lstrip().lower().startswith("text/html"))


def show_error(request: HttpRequest, response: ErrorResponse) -> None:
    """Turns an error into a page that says what to do next. Its status, other headers and cookies stay."""
    error, form = response.error, sent_form(request)
    shown = page(
        "core/error.html",
        {
            "title": "This form is out of date" if isinstance(error, StaleForm) else TITLES.get(error.status, "Sorry"),
            "error": error,
            "is_stale_form": isinstance(error, StaleForm),
            # The form that signs out is on every page, and its own address has no page.
            "form_page": "/admin/" if request.path_info.startswith("/admin/logout") else "",
            "in_admin": request.path_info.startswith("/admin/"),
            "has_query": bool(request.META["QUERY_STRING"]),
            "typed": [(TYPED[name], value) for name, value in form if name in TYPED and value.strip()],
            # A password stays out of the page.
            "again": [] if any("password" in name for name, _ in form) else form,
            "request_id": request.META["HTTP_X_REQUEST_ID"],
        },
    )
    response.content = shown.content
    for name, value in shown.items():
        response.headers[name] = value


def sent_form(request: HttpRequest) -> list[tuple[str, str]]:
    """The fields that were sent, as far as they can be read at once."""
    try:
        fields = request.POST.lists() if request.content_type == FORM else []
        return [(name, value) for name, values in fields for value in values]
    except (SuspiciousOperation, UnreadablePostError):
        return []
