"""The page behind the link of the verification mail, for when `PUBLIC_BASE_URL` is the service itself."""

from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from accounts.flows import registration
from accounts.flows.registration import ExpiredVerificationToken, InvalidVerificationToken
from accounts.mail.messages import link_hours
from accounts.serializers import Address
from core.api import validated
from core.client import Client, ip_of
from core.errors import Invalid, allow
from core.rate_limits import RateLimited, spend

ADDRESS = Address()
HEADERS = {
    "Referrer-Policy": "no-referrer",  # the token is in the address
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


@csrf_exempt  # the token is all that its form proves, and nobody else has it; the other form is open to anybody
@allow("GET", "HEAD", "POST")
def verify_email_page(request: HttpRequest) -> HttpResponse:
    """Shows a button; only pressing it verifies. A mail scanner that opens links verifies nothing."""
    try:
        if request.method != "POST":
            return look(request, request.GET.get("token", ""))
        if "email" in request.POST:
            return send_link(request, request.POST["email"])
        new = registration.verify_email(token=request.POST.get("token", ""))
        return page(request, "verified" if new else "already")
    except ExpiredVerificationToken:
        return page(request, "expired", status=400)
    except InvalidVerificationToken:
        return page(request, "invalid", status=400)


def look(request: HttpRequest, token: str) -> HttpResponse:
    if not token:
        return page(request, "no_link")
    return page(request, "already" if registration.owner_of(token).is_verified else "ask", token=token)


def send_link(request: HttpRequest, email: str) -> HttpResponse:
    """Answers alike whoever has the address, as `/auth/resend-verification` does."""
    try:
        body = validated(ADDRESS, {"email": email}, "body")
    except Invalid:
        return page(request, "no_address", email=email, status=422)
    try:
        spend("resend_verification", ip_of(request))
    except RateLimited as error:
        return page(request, "too_often", email=email, status=error.status, headers=error.headers)
    registration.resend_verification(**body, client=Client.of(request))
    return page(request, "asked")


def page(
    request: HttpRequest,
    outcome: str,
    *,
    token: str = "",
    email: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    context = {
        "outcome": outcome,
        "token": token,
        "email": email,
        "product": settings.MAIL_FROM_NAME,
        "hours": link_hours(),
    }
    response = render(request, "accounts/verify_email.html", context, status=status)
    for name, value in {**HEADERS, **(headers or {})}.items():
        response.headers[name] = value
    return response
