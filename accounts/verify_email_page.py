"""The page that the link in the verification mail opens, where `PUBLIC_BASE_URL` is the service itself."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from accounts.addresses import EMAIL_LENGTH
from accounts.flows import registration
from accounts.flows.registration import ExpiredVerificationToken, InvalidVerificationToken
from accounts.mail.messages import link_hours
from accounts.serializers import AddressSerializer
from core.api import validated
from core.client import Client, ip_of
from core.errors import Invalid, allow
from core.pages import page
from core.rate_limits import RateLimited, spend

OUTCOME_TITLES = {
    "verified": "Your address is confirmed",
    "already": "Your address is already confirmed",
    "expired": "This link has expired",
    "invalid": "This link does not work",
    "link_sent": "Check your inbox",
}


@csrf_exempt  # one form proves itself by its secret token, the other is open to everyone
@allow("GET", "HEAD", "POST")
def verify_email_page(request: HttpRequest) -> HttpResponse:
    """Shows a button, and verifies only when it is pressed: mail scanners that open links verify nothing."""
    try:
        if request.method == "POST":
            if "email" in request.POST:
                return send_new_link(request, request.POST["email"])
            newly = registration.verify_email(token=request.POST.get("token", ""))
            return render_page("verified" if newly else "already")
        token = request.GET.get("token", "")
        if not token:
            return render_page("no_link")
        return render_page("already" if registration.user_for_token(token).is_verified else "ask", token=token)
    except ExpiredVerificationToken:
        return render_page("expired", status=400)
    except InvalidVerificationToken:
        return render_page("invalid", status=400)


def send_new_link(request: HttpRequest, email: str) -> HttpResponse:
    """Answers alike for every address, as `/auth/resend-verification` does."""
    try:
        body = validated(AddressSerializer, {"email": email}, "body")
    except Invalid:
        return render_page("invalid_email", email=email[:EMAIL_LENGTH], status=422)
    try:
        spend("resend_verification", ip_of(request))
    except RateLimited as error:
        response = render_page("rate_limited", email=email, status=error.status)
        for name, value in error.headers.items():
            response.headers[name] = value
        return response
    registration.request_verification(**body, client=Client.of(request))
    return render_page("link_sent")


def render_page(outcome: str, *, status: int = 200, **values: str) -> HttpResponse:
    title = OUTCOME_TITLES.get(outcome, "Confirm your e-mail address")
    context = {"title": title, "outcome": outcome, "hours": link_hours(), **values}
    response = page("accounts/verify_email.html", context, status=status)
    response.headers["Referrer-Policy"] = "no-referrer"  # the token is in the URL
    return response
