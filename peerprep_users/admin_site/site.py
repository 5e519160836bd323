"""The admin site itself: how admins sign in to it, and out of it."""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import PasswordChangeView
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse_lazy
from unfold.sites import UnfoldAdminSite

from accounts.flows.passwords import change_password
from accounts.flows.sessions import begin_session, end_session
from accounts.models import Session, User
from core.client import Client, ip_of
from core.errors import ApiError
from core.rate_limits import spend
from peerprep_users.admin_site.forms import LoginForm, PasswordForm, as_form_error

SESSION = "session"  # where the cookie's own data names the session it belongs to


def session_of(request: HttpRequest) -> Session | None:
    """The live session that the admin's cookie belongs to."""
    name = request.session.get(SESSION)
    return Session.objects.live().filter(pk=name, user=request.user.pk).first() if name else None


class PasswordPage(PasswordChangeView):
    """An admin's own password, changed as the API changes it: the guess at the old one counts, other sessions end."""

    form_class = PasswordForm
    template_name = "registration/password_change_form.html"
    success_url = reverse_lazy("admin:password_change_done")

    def form_valid(self, form: Any) -> HttpResponse:
        user: User = form.user
        old, new = form.cleaned_data["old_password"], form.cleaned_data["new_password1"]
        try:
            change_password(
                user=user,
                session=session_of(self.request),
                old_password=old,
                new_password=new,
                client=Client.of(self.request),
            )
        except ApiError as error:
            form.add_error("old_password", as_form_error(error))
            return self.form_invalid(form)
        self.request.session.cycle_key()
        return HttpResponseRedirect(self.get_success_url())


class Site(UnfoldAdminSite):
    """Signing in here begins a session like any other: it is listed, and whatever ends the user's sessions ends it."""

    login_form = LoginForm
    final_catch_all_view = False  # a path that does not exist is a 404, for whoever asks

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """With the name of the service as it is: the theme would take one such as `os.name` for a function to call."""
        names = {"site_title": settings.APP_NAME, "site_header": settings.APP_NAME}
        return {**super().each_context(request), **names}

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Among the names of the lists. The theme lets a page that does not exist fail."""
        try:
            return super().search(request, extra_context)
        except (ValueError, InvalidPage):
            raise Http404 from None

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and session_of(request) is not None

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        limit = spend("login", ip_of(request)) if request.method == "POST" else {}
        response = super().login(request, extra_context)
        form = (getattr(response, "context_data", None) or {}).get("form")
        if form is not None and form.api_error is not None:
            response.status_code = form.api_error.status
            limit |= form.api_error.headers
        for name, value in limit.items():
            response.headers[name] = value
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            user: Any = request.user
            session = begin_session(user=user, client=Client.of(request), lasts=settings.ADMIN_SESSION)
            request.session[SESSION] = str(session.pk)
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "POST" and (session := session_of(request)):
            end_session(session=session)
        return super().logout(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return PasswordPage.as_view(extra_context=self.each_context(request))(request)
