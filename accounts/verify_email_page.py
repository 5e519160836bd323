"""The page that the link in a verification mail or invitation opens, where `PUBLIC_BASE_URL` is the service itself."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from accounts.addresses import EMAIL_LENGTH
from accounts.flows import registration
from accounts.flows.registration import ExpiredVerificationToken, InvalidVerificationToken
from accounts.mail.messages import link_hours
from accounts.serializers import AddressSerializer, FirstPasswordSerializer
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
    "choose": "Choose a password",
    "chosen": "Your password is set",
}


@csrf_exempt  # one form proves itself by its secret token, the other is open to everyone
@allow("GET", "HEAD", "POST")
def verify_email_page(request: HttpRequest) -> HttpResponse:
    """Shows a button, and verifies only when it is pressed: mail scanners that open links verify nothing."""
    try:
        return answer_form(request) if request.method == "POST" else open_link(request.GET.get("token", ""))
    except ExpiredVerificationToken:
        return render_page("expired", status=400)
    except InvalidVerificationToken:
        return render_page("invalid", status=400)


def open_link(token: str) -> HttpResponse:
    if not token:
        return render_page("no_link")
    user = registration.user_for_token(token)
    if not user.has_usable_password():
        return render_page("choose", token=token, email=user.email)
    return render_page("already" if user.is_verified else "ask", token=token)


def answer_form(request: HttpRequest) -> HttpResponse:
    if "email" in request.POST:
        return send_new_link(request, request.POST["email"])
    if "new_password" in request.POST:
        return set_first_password(request)
    newly = registration.verify_email(token=request.POST.get("token", ""))
    return render_page("verified" if newly else "already")


def set_first_password(request: HttpRequest) -> HttpResponse:
    fields = {name: request.POST.get(name, "") for name in ("token", "new_password")}
    user = registration.user_for_token(fields["token"])
    try:
        body = validated(FirstPasswordSerializer, fields, "body")
        newly = registration.choose_first_password(**body, client=Client.of(request))
    except Invalid as error:
        problem = " ".join(str(found["msg"]) for found in error.problems)
        return render_page("choose", token=fields["token"], email=user.email, problem=problem, status=422)
    return render_page("chosen" if newly else "already")


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
