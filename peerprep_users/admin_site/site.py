"""The admin site itself: how admins sign in to it, and out of it."""

from functools import update_wrapper
from time import perf_counter
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.module_loading import import_string
from unfold.sites import UnfoldAdminSite

from accounts.flows.login import NotAnAdmin, log_in_to_admin_site
from accounts.flows.passwords import change_password
from accounts.flows.sessions import end_session
from accounts.login_guard import AccountLocked, locked_until
from accounts.models import Session, User
from core.client import Client, ip_of
from core.errors import ApiError, StaleForm
from core.rate_limits import spend
from peerprep_users.admin_site.forms import LoginForm, PasswordForm, as_form_error

SESSION_KEY = "session"  # in the data of the cookie: the id of the session it belongs to


def session_of(request: Any) -> Session | None:
    """The live session that the admin's cookie belongs to, looked up once for a request."""
    if not hasattr(request, "live_session"):
        name = request.session.get(SESSION_KEY)
        found = Session.objects.live().filter(pk=name, user=request.user.pk).first() if name else None
        request.live_session = found
    live: Session | None = request.live_session
    return live


class LoginPage(LoginView):
    """Signs an admin in as the API does, by the same limits. The session is listed with the user's others."""

    authentication_form = LoginForm
    template_name = "admin/login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        limit = spend("login", ip_of(request))
        response = super().post(request, *args, **kwargs)
        for name, value in limit.items():
            response.headers[name] = value
        return response

    def form_valid(self, form: Any) -> HttpResponse:
        email, password = form.cleaned_data["username"], form.cleaned_data["password"]
        try:
            session = log_in_to_admin_site(email=email, password=password, client=Client.of(self.request))
        except NotAnAdmin as error:
            end = locked_until(email)  # by this very guess, perhaps: the page then says so at once
            return self.refused(form, AccountLocked(end - timezone.now()) if end else error)
        except ApiError as error:
            return self.refused(form, error)
        login(self.request, session.user, settings.AUTHENTICATION_BACKENDS[-1])
        self.request.session[SESSION_KEY] = str(session.pk)
        return HttpResponseRedirect(self.get_success_url())

    def refused(self, form: Any, error: ApiError) -> HttpResponse:
        """The form again, by its status too where it is worth trying later."""
        form.add_error(None, as_form_error(error))
        response = self.form_invalid(form)
        if retry_after := error.headers.get("Retry-After"):
            response.status_code = error.status
            response.headers["Retry-After"] = retry_after
        return response


class PasswordPage(PasswordChangeView):
    """Changes an admin's own password as the API does: a wrong old one counts as a confirmation, other sessions end."""

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
    final_catch_all_view = False  # a path that does not exist is a 404 for everyone

    def get_urls(self) -> list[Any]:
        """Without the redirects to the pages that objects have elsewhere: ours have none."""
        return [url for url in super().get_urls() if getattr(url, "name", None) != "view_on_site"]

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> Any:
        raise Http404  # the sidebar has all lists, by other names than those of the apps

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """With the name of the service as it is: the theme would take one such as `os.name` for a function to call."""
        names = {"site_title": settings.APP_NAME, "site_header": settings.APP_NAME}
        return {**super().each_context(request), **names}

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Shows what was typed into a form whose session has ended; Django would lead to the login page without it."""
        guarded = super().admin_view(view, cacheable)

        def kept(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            is_logout = request.path_info == reverse("admin:logout")
            if request.method == "POST" and not is_logout and session_of(request) is None:
                raise StaleForm
            return guarded(request, *args, **kwargs)

        return update_wrapper(kept, guarded)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Instead of the theme's, which keeps what it found in a cache."""
        term = request.GET.get("s", "")
        began = perf_counter()
        find = import_string("peerprep_users.admin_site.search.find")  # which imports pages that this site registers
        found = find(request, term)
        if "extended" in request.GET:  # asked for by the theme's own dialogue, Ctrl+K
            paginator = Paginator(found, max(len(found), 1))
            seconds = perf_counter() - began
            context = {
                "execution_time": seconds,
                "page_obj": paginator,
                "results": paginator.page(1),
                "page_counter": 0,
            }
            return TemplateResponse(request, "unfold/helpers/command_results.html", context)
        context = {
            **self.each_context(request),
            "title": f"Search for “{term}”" if term else "Search",
            "term": term,
            "found": found,
        }
        return TemplateResponse(request, "admin/search.html", context)

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and session_of(request) is not None

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        context = {**self.each_context(request), "title": "Log in", "app_path": request.get_full_path()}
        return LoginPage.as_view(extra_context={**context, "username": request.user.get_username()})(request)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "POST" and (session := session_of(request)):
            end_session(session=session)
        return LogoutView.as_view(next_page="admin:login")(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return PasswordPage.as_view(extra_context=self.each_context(request))(request)
