"""The page behind the link of the verification mail, for when `PUBLIC_BASE_URL` is the service itself."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from accounts.flows.registration import InvalidVerificationToken, verify_email
from peerprep_users.errors import allow


@csrf_exempt  # the token is all that the form proves, and nobody else has it
@allow("GET", "HEAD", "POST")
def verify_email_page(request: HttpRequest) -> HttpResponse:
    """Shows a button; only pressing it verifies. A mail scanner that opens links verifies nothing."""
    if request.method != "POST":
        return page(request, "ask", token=request.GET.get("token", ""))
    try:
        verify_email(token=request.POST.get("token", ""))
    except InvalidVerificationToken:
        return page(request, "invalid", status=400)
    return page(request, "verified")


def page(request: HttpRequest, outcome: str, *, token: str = "", status: int = 200) -> HttpResponse:
    context = {"outcome": outcome, "token": token}
    response = render(request, "accounts/verify_email.html", context, status=status)
    response.headers["Referrer-Policy"] = "no-referrer"  # the token is in the address
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
    return response
