"""The pages of users, with what attempts and the export add to them."""

from typing import Any

from django.contrib import admin
from django.http import HttpResponseBase

from accounts.admin.actions import ACTIONS, Action
from accounts.admin.base import actor_of, changelist_url, grouped
from accounts.admin.users import PANEL_ROWS, BaseUserAdmin
from accounts.models import User
from attempts.flows.progress import counts_by_user
from attempts.models import Attempt
from core.downloads import download, json_object
from peerprep_users.export import export_for_admin

EXPORT_ACTION = Action(  # answered by a file, so for one user at a time
    "export",
    "Export",
    "download",
    "Export the data of {who}",
    "Downloads a file with all data about the user, the same that they can export themselves.",
    "Exported",
    export_for_admin,
)


class UserAdmin(BaseUserAdmin):
    user_actions = [*ACTIONS, EXPORT_ACTION]
    change_form_template = "admin/user.html"
    list_display = ["account", "role_label", "state", "live", "attempts", "solved", "last_seen", "registered"]

    def annotate_page(self, rows: list[Any]) -> list[Any]:
        figures = counts_by_user([user.pk for user in rows])
        for user in rows:
            user.figures = figures.get(user.pk, {})
        return super().annotate_page(rows)

    @admin.display(description="attempts")
    def attempts(self, user: Any) -> str | None:
        return grouped(user.figures.get("attempts", 0))

    @admin.display(description="solved")
    def solved(self, user: Any) -> str | None:
        return grouped(user.figures.get("solved", 0))

    def panels(self, user: User) -> dict[str, Any]:
        figures = {"attempts": 0, "solved": 0} | counts_by_user([user.pk]).get(user.pk, {})
        lists = [
            ("Sessions", changelist_url("accounts_session", user__id__exact=user.pk)),
            ("Mails", changelist_url("accounts_mail", to=user.email)),
            ("Audit trail", changelist_url("accounts_auditentry", user_id=user.pk)),
            ("Failed logins", changelist_url("axes_accessfailurelog", username=user.email)),
            ("Attempts", changelist_url("attempts_attempt", user__id__exact=user.pk)),
            ("Question statuses", changelist_url("attempts_questionstatus", user__id__exact=user.pk)),
        ]
        newest = Attempt.objects.history_of(user).defer("submitted_code")[:PANEL_ROWS]
        return {**super().panels(user), "lists": lists, "figures": figures, "attempts": newest}

    def count(self, name: str, users: list[User]) -> int:
        if name != "attempts":
            return super().count(name, users)
        return sum(figures["attempts"] for figures in counts_by_user([user.pk for user in users]).values())

    def run(self, request: Any, action: Action, users: list[User], reason: str) -> HttpResponseBase | None:
        if action is not EXPORT_ACTION:
            return super().run(request, action, users, reason)
        (user,) = users
        sections = export_for_admin(user=user, by=actor_of(request), reason=reason)
        return download(request, json_object(sections), "application/json", f"user-{user.pk}.json")
