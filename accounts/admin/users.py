"""The pages of users: the list, the page of one user, and the actions on them."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db import connection
from django.db.models import Count, Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from accounts import login_guard
from accounts.addresses import normalised
from accounts.admin.actions import ACTIONS, Action, ReasonForm, confirmation_page
from accounts.admin.base import BaseAdmin, actor_of, changelist_url, grouped, row_url, user_url, way_back
from accounts.admin.invitation import invitation_page
from accounts.admin.lists import DayRangeFilter, OnlyFilter
from accounts.admin.row_actions import again_url
from accounts.devices import agent_name
from accounts.flows import administration
from accounts.flows.login_report import explain_login, last_seen_in_words
from accounts.flows.timeline import (
    EVENTS,
    OF_MAILS,
    WRONG_GUESS,
    Happening,
    subjects_for,
    timeline_of,
    was_created_by_another,
)
from accounts.models import LoginGuard, Mail, Role, Session, User
from core.errors import ApiError
from core.postgresql import unprepared
from core.times import moment

PANEL_ROWS = 10
REFUSALS = 3  # that are said; of more, how many
LABEL_TEMPLATE = "unfold/helpers/label.html"
REMEDIES = {  # actions, by the code of the reason why a user cannot sign in
    "deactivated": ["reactivate"],
    "not_verified": ["verify_address", "resend_verification"],
    "locked": ["unlock"],
    "no_password": ["send_reset_code"],
}
SEARCH_WORDS = 5
TRIGRAM = 3  # an index of trigrams finds terms of so many letters anywhere, and shorter ones where a word begins


class LockedFilter(OnlyFilter):
    title = parameter_name = "locked"
    choice = "Locked now"

    def narrowed(self, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset.filter(email__in=LoginGuard.objects.locked().values("address"))


class BaseUserAdmin(BaseAdmin):
    """The roof registers a subclass, `peerprep_users/admin_site/users.py`, with what other apps add."""

    list_display = ["account", "role_label", "state", "live", "last_seen", "registered"]
    # users_admins, users_unverified, users_inactive; users_newest for their opposites, which most rows are
    list_filter = ["role", "is_verified", LockedFilter, "is_active", ("created_at", DayRangeFilter)]
    adjectives = {
        ("role__exact", "ADMIN"): "admin",
        ("is_verified__exact", "1"): "verified",
        ("is_verified__exact", "0"): "unverified",
        ("locked", "yes"): "locked",
        ("is_active__exact", "1"): "active",
        ("is_active__exact", "0"): "deactivated",
    }
    csv_columns = ["id", "email", "name", "role", "is_verified", "is_active", "created_at", "updated_at"]
    search_fields = ["email", "name"]
    search_help_text = "E-mail address or name"
    ordering = ["-created_at", "id"]  # users_newest
    sortable_by = ["account", "registered"]
    fields = ["name"]
    user_actions = ACTIONS
    change_form_template = "accounts/admin/user.html"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # deleting is an action, which requires a reason

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        with unprepared(connection):  # its search is by LIKE
            return super().get_changelist_instance(request)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[User], search_term: str) -> Any:
        terms = search_term.split()[:SEARCH_WORDS]
        lookup = "contains" if any(len(term) >= TRIGRAM for term in terms) else "startswith"
        for term in terms:
            queryset = queryset.filter(Q(**{f"email__{lookup}": normalised(term)}) | Q(**{f"name__i{lookup}": term}))
        return queryset, False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        if "name" in form.changed_data:
            administration.rename(user=obj, name=obj.name, by=actor_of(request))

    def response_post_save_change(self, request: HttpRequest, obj: User) -> HttpResponseRedirect:
        return HttpResponseRedirect(user_url(obj.pk))

    # --- Columns ----------------------------------------------------------------------------------------------------

    def annotate_page(self, rows: list[Any]) -> list[Any]:
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

    @display(description="role", label={Role.ADMIN.label: "info"})
    def role_label(self, user: User) -> str:
        return user.get_role_display()

    @admin.display(description="status")
    def state(self, user: Any) -> str:
        found = [] if user.is_active else [("danger", "deactivated")]
        found += [] if user.is_verified else [("warning", "unverified")]
        found += [] if user.has_usable_password() else [("warning", "no password")]
        found += [("warning", "locked")] if user.locked_until else []
        labels = [{"type": kind, "text": text} for kind, text in found or [("success", "can sign in")]]
        shown = format_html_join("\n", "{}", ((render_to_string(LABEL_TEMPLATE, label),) for label in labels))
        return format_html("{} until {}", shown, moment(user.locked_until)) if user.locked_until else shown

    @admin.display(description="live")
    def live(self, user: Any) -> str | None:
        return grouped(user.live_sessions)

    @admin.display(description="last seen")
    def last_seen(self, user: Any) -> Any:
        return user.seen_at

    @admin.display(description="registered", ordering="created_at")
    def registered(self, user: User) -> Any:
        return user.created_at

    # --- The page of one user ---------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponseBase:
        return invitation_page(self, request)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        user = self.get_object(request, object_id)
        return super().change_view(request, object_id, form_url, self.panels(user) if user else None)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponseBase:
        user = self.get_object(request, object_id)
        if user is None:
            raise Http404
        return HttpResponseRedirect(changelist_url("accounts_auditentry", user_id=user.pk))

    def panels(self, user: Any) -> dict[str, Any]:
        """What the page shows above and below the form."""
        explanation = explain_login(address=user.email)
        if explanation.user is None:
            raise Http404  # deleted just now
        user.locked_until, user.live_sessions = login_guard.locked_until(user.email), explanation.live_sessions
        applicable = [action for action in self.user_actions if action.applies(user)]
        remedies = [
            (reason, [action for action in applicable if action.name in REMEDIES[reason.code]])
            for reason in explanation.reasons
        ]
        offered = [action for _, actions in remedies for action in actions]
        others = [action for action in applicable if action not in offered]
        return {
            **self.rows_of(user),
            "explanation": explanation,
            "remedies": remedies,
            "facts": {
                "ID": user.pk,
                "Registered": moment(user.created_at),
                "Role": user.get_role_display(),
                "Last seen": last_seen_in_words(explanation),
            },
            "action_groups": [
                [action for action in others if not action.destructive],
                [action for action in others if action.destructive],
            ],
        }

    def rows_of(self, user: User) -> dict[str, Any]:
        """The sessions and mails that something can be done about, and what happened."""
        live = Session.objects.live().filter(user=user).order_by("-last_used_at")
        mails = Mail.objects.filter(to=user.email).order_by("-created_at")[:PANEL_ROWS]
        subjects = subjects_for(invited=was_created_by_another(user))
        return {
            "sessions": [(agent_name(session.user_agent), session) for session in live[:PANEL_ROWS]],
            "mails": [(mail, subjects[mail.kind], OF_MAILS[mail.state], again_url(mail, user)) for mail in mails],
            "timeline": [(event, event_url(event, user)) for event in timeline_of(user)],
            "most_events": EVENTS,
        }

    def count(self, name: str, users: list[User]) -> int:
        """How much these users have of what `Action.takes` names."""
        sessions = Session.objects.filter(user__in=users)
        return (sessions.live() if name == "live sessions" else sessions).count()

    def question(self, action: Action, users: list[User]) -> str:
        """Names whom it is for and how much it takes: "Delete alice@example.com: 25 attempts and 1 session go"."""
        title = action.title.format(who=users[0].email if len(users) == 1 else f"{len(users)} users")
        if not action.takes:
            return title
        counts = {name: self.count(name, users) for name in action.takes}
        taken = [f"{count:,} {name[:-1] if count == 1 else name}" for name, count in counts.items()]
        goes = "goes" if [*counts.values()] == [1] else "go"
        return f"{title}: {' and '.join(taken)} {goes}"

    # --- Actions ----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.action_view)
        return [path("<uuid:pk>/<slug:name>/confirm/", view, name="accounts_user_act"), *super().get_urls()]

    def action_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponseBase:
        """An action on one user, from the user's page."""
        user = User.objects.filter(pk=pk).first()
        action = next((action for action in self.user_actions if action.name == name), None)
        if user is None or action is None:
            raise Http404
        back = way_back(request, changelist_url("accounts_mail"), otherwise=user_url(pk))
        if response := self.confirm_and_run(request, action, [user], back):
            return response
        exists = User.objects.filter(pk=pk).exists()
        return HttpResponseRedirect(back if exists else changelist_url("accounts_user"))

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Any, str, str]]:
        """The actions on the users that were ticked in the list."""
        return {action.name: (partial(run_on_selection, action), action.name, action.label) for action in ACTIONS}

    def confirm_and_run(
        self, request: HttpRequest, action: Action, users: list[User], cancel_url: str
    ) -> HttpResponseBase | None:
        """Asks first. Then runs the action, and returns None to show the page it was taken on.

        Says of those to whom it cannot be done why not, before it asks.
        """
        answers = [(user, action.refusal(user)) for user in self.annotate_page(users)]
        if refusals := [refusal for _, refusal in answers if refusal]:
            more = f" {len(refusals) - REFUSALS} more are left as they are." if len(refusals) > REFUSALS else ""
            self.message_user(request, " ".join(refusals[:REFUSALS]) + more, messages.ERROR)
        users = [user for user, refusal in answers if not refusal]
        if not users:
            return None
        if action.needs_other_admin and not User.objects.admins().exclude(pk__in=[user.pk for user in users]).exists():
            self.message_user(request, "These are the last admins who can sign in. Leave one out.", messages.ERROR)
            return None
        form = ReasonForm.of(action, request)
        if form.is_valid():
            return self.run(request, action, users, form.cleaned_data["reason"])
        selected = [(user.pk, user.email, user.name) for user in users]
        title = self.question(action, users)
        return confirmation_page(self, request, action, form, selected, cancel_url, title)

    def run(self, request: HttpRequest, action: Action, users: list[User], reason: str) -> HttpResponseBase | None:
        """Runs it on each user by itself: an error for one does not stop the others."""
        by, done = actor_of(request), []
        for user in users:
            try:
                action.run(user=user, by=by, reason=reason)
            except ApiError as error:
                self.message_user(request, f"{user.email}: {error.detail}", messages.ERROR)
            else:
                done.append(user.email)
        if done:
            who = done[0] if len(done) == 1 else f"{len(done)} users"
            self.message_user(request, f"{action.done}: {who}.", messages.SUCCESS)
        return None


def event_url(event: Happening, user: User) -> str:
    """Where there is more about it, if anywhere."""
    if event.kind == WRONG_GUESS:
        return changelist_url("axes_accessfailurelog", username=user.email)
    return row_url(event.row) if event.row else ""


def run_on_selection(action: Action, page: BaseUserAdmin, request: HttpRequest, queryset: QuerySet[User]) -> Any:
    return page.confirm_and_run(request, action, list(queryset.order_by("email")), request.get_full_path())
