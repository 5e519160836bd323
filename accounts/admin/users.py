"""The pages of users: the list, the page of one, and the confirmation of what is done to them."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Count, Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from accounts import login_guard
from accounts.addresses import normalised
from accounts.admin.actions import ACTIONS, Action, question, reason_for
from accounts.admin.base import DayRange, Pages, acting, path_of
from accounts.devices import device_name
from accounts.flows import administration
from accounts.flows.login_report import explain_login
from accounts.models import AuditEntry, Session, User
from core.errors import ApiError

ENTRIES = 10
LABEL = "unfold/helpers/label.html"
MENDS = {  # which actions mend what keeps somebody from signing in
    "deactivated": ["reactivate"],
    "not_verified": ["verify_address", "resend_verification"],
    "locked": ["unlock"],
    "no_password": ["send_reset_code"],
}
SHORT = 3  # an index of trigrams finds words of so many letters anywhere, and shorter ones where a word begins


class LockedFilter(admin.SimpleListFilter):
    title = parameter_name = "locked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        locked = login_guard.locks().values("username")
        if self.value() == "yes":
            return queryset.filter(email__in=locked)
        return queryset.exclude(email__in=locked) if self.value() == "no" else queryset


class UserAdmin(Pages):
    """The roof registers it with what other apps add."""

    reach = None  # each filter has an index
    list_filter = ["role", "is_verified", LockedFilter, "is_active", ("created_at", DayRange)]
    search_fields = ["email", "name"]
    search_help_text = "Address or name"
    ordering = ["-created_at", "id"]
    sortable_by = ["account", "joined"]
    fields = ["name", "email", "id", "role", "is_verified", "is_active", "created_at", "updated_at"]
    readonly_fields = ["id", "email", "role", "is_verified", "is_active", "created_at", "updated_at"]
    user_actions = ACTIONS
    list_display = ["account", "rank", "state", "live", "last_seen", "joined"]
    change_form_template = "accounts/admin/user.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people register

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # deleting is an action, which asks for a reason

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Not by the hash: the address of the page could ask for it letter by letter."""
        return not lookup.startswith("password") and super().lookup_allowed(lookup, value, request)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[User], search_term: str) -> Any:
        words = search_term.split()
        where = "contains" if any(len(word) >= SHORT for word in words) else "startswith"
        for word in words:
            named = Q(**{f"email__{where}": normalised(word)}) | Q(**{f"name__i{where}": word})
            queryset = queryset.filter(Q(email=normalised(word)) if "@" in word.strip("@") else named)
        return queryset, False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        if "name" in form.changed_data:
            administration.rename(user=obj, name=obj.name, by=acting(request))

    # --- Columns ----------------------------------------------------------------------------------------------------

    def filled(self, rows: list[Any]) -> list[Any]:
        """Users with what the columns need of other tables: one query for each, however many users."""
        ids = [user.pk for user in rows]
        locks = login_guard.locks_of([user.email for user in rows])
        live = dict(Session.objects.live().filter(user__in=ids).values_list("user").annotate(Count("id")).order_by())
        seen = dict(Session.objects.filter(user__in=ids).values_list("user").annotate(Max("last_used_at")).order_by())
        for user in rows:
            user.locked_until = locks.get(user.email)
            user.live_sessions = live.get(user.pk, 0)
            user.seen_at = seen.get(user.pk)
        return rows

    @admin.display(description="user", ordering="email")
    def account(self, user: User) -> str:
        return format_html('{}<br><span class="font-normal text-subtle">{}</span>', user.email, user.name)

    @display(description="role", label={"ADMIN": "info"})
    def rank(self, user: User) -> str:
        return user.role

    @admin.display(description="status")
    def state(self, user: Any) -> str:
        """All that keeps the user from signing in, or that nothing does."""
        found = [] if user.is_active else [("danger", "deactivated")]
        found += [("warning", f"locked until {user.locked_until:%H:%M}")] if user.locked_until else []
        found += [] if user.is_verified else [("warning", "unverified")]
        labels = [{"type": kind, "text": text} for kind, text in found or [("success", "active")]]
        return format_html_join("\n", "{}", ((render_to_string(LABEL, label),) for label in labels))

    @admin.display(description="live")
    def live(self, user: Any) -> int:
        return int(user.live_sessions)

    @admin.display(description="last seen")
    def last_seen(self, user: Any) -> Any:
        return user.seen_at

    @admin.display(description="joined", ordering="created_at")
    def joined(self, user: User) -> Any:
        return user.created_at

    # --- The page of one --------------------------------------------------------------------------------------------

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        user = self.get_object(request, object_id)
        return super().change_view(request, object_id, form_url, self.panels(user) if user else None)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponseBase:
        user = self.get_object(request, object_id)
        if user is None:
            raise Http404
        return HttpResponseRedirect(f"{reverse('admin:accounts_auditentry_changelist')}?user_id={user.pk}")

    def panels(self, user: User) -> dict[str, Any]:
        """What the page of a user shows beside the form."""
        is_locked = login_guard.locked_until(user.email) is not None
        explanation = explain_login(address=user.email)
        applying = [action for action in self.user_actions if action.applies(user, is_locked)]
        live = Session.objects.live().filter(user=user).order_by("-last_used_at")
        return {
            "explanation": explanation,
            "remedies": [
                (reason, [self.action_called(name) for name in MENDS.get(reason.code, [])])
                for reason in explanation.reasons
            ],
            "giving": [action for action in applying if not action.takes],
            "taking": [action for action in applying if action.takes],
            "sessions": [(device_name(session.user_agent), session) for session in live[:ENTRIES]],
            "entries": AuditEntry.objects.filter(user_id=user.pk).order_by("-occurred_at", "-id")[:ENTRIES],
        }

    # --- What is done to users --------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(self.act)
        return [path("<uuid:pk>/<slug:name>/confirm/", act, name="accounts_user_act"), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Any, str, str]]:
        return {action.name: (partial(act_on_many, action), action.name, action.label) for action in ACTIONS}

    def act(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponseBase:
        user, action = User.objects.filter(pk=pk).first(), self.action_called(name)
        if user is None or action is None:
            raise Http404
        return self.confirmed(request, action, [user]) or self.after(request, user)

    def after(self, request: HttpRequest, user: User) -> HttpResponseRedirect:
        if User.objects.filter(pk=user.pk).exists():
            return HttpResponseRedirect(page_of(user))
        return HttpResponseRedirect(path_of(self))

    def confirmed(self, request: HttpRequest, action: Action, users: list[User]) -> HttpResponseBase | None:
        """Asks first. Then does it, and answers nothing where the page before is to be shown again."""
        form = reason_for(action, request)
        if not form.is_valid():
            back = page_of(users[0]) if len(users) == 1 else path_of(self)
            chosen = [(user.pk, user.email, user.name) for user in users]
            return question(self, request, action, form, chosen, back)
        return self.carry_out(request, action, users, form.cleaned_data["reason"])

    def action_called(self, name: str) -> Action | None:
        return next((action for action in self.user_actions if action.name == name), None)

    def carry_out(
        self, request: HttpRequest, action: Action, users: list[User], reason: str
    ) -> HttpResponseBase | None:
        """Each by itself: whoever is refused keeps nobody else from it."""
        by, done = acting(request), []
        locks = login_guard.locks_of([user.email for user in users])
        for user in users:
            if action.needless and not action.applies(user, user.email in locks):
                self.message_user(request, f"{user.email} {action.needless}.", messages.WARNING)
                continue
            try:
                action.do(user=user, by=by, reason=reason)
            except ApiError as error:
                self.message_user(request, f"{user.email}: {error.detail}", messages.ERROR)
            else:
                done.append(user.email)
        if done:
            told = done[0] if len(done) == 1 else f"{len(done)} users"
            self.message_user(request, f"{action.done}: {told}.", messages.SUCCESS)
        return None


def page_of(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


def act_on_many(action: Action, page: UserAdmin, request: HttpRequest, queryset: QuerySet[User]) -> Any:
    return page.confirmed(request, action, list(queryset.order_by("email")))
