"""The pages of users, with what attempts add to them."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpResponseBase
from django.urls import reverse

from accounts.admin.actions import ACTIONS, Action
from accounts.admin.base import acting
from accounts.admin.users import UserAdmin
from accounts.models import User
from attempts.flows.progress import figures_of
from core.downloads import download, json_object
from peerprep_users.export import export_for_admin

EXPORT = Action(  # answered by a file, so for one user at a time
    "export",
    "Export",
    "download",
    "You get a file with all that the service holds about the user, as they can get it themselves.",
    "Exported",
    export_for_admin,
)

# Of a list that has rows of the user: its title, its name, the parameter that filters it, and the user's value of that.
LISTS = [
    ("Sessions", "accounts_session", "user__id__exact", "pk"),
    ("Mails", "accounts_mail", "to", "email"),
    ("Audit trail", "accounts_auditentry", "user_id", "pk"),
    ("Failed logins", "axes_accessfailurelog", "username", "email"),
    ("Attempts", "attempts_attempt", "user__id__exact", "pk"),
    ("Question statuses", "attempts_questionstatus", "user__id__exact", "pk"),
]


def lists_of(user: User) -> list[tuple[str, str]]:
    return [
        (title, f"{reverse(f'admin:{name}_changelist')}?{urlencode({parameter: getattr(user, value)})}")
        for title, name, parameter, value in LISTS
    ]


@admin.register(User)
class UserPage(UserAdmin):
    user_actions = [*ACTIONS, EXPORT]
    list_display = ["account", "rank", "state", "live", "attempts", "solved", "last_seen", "joined"]

    def filled(self, rows: list[Any]) -> list[Any]:
        figures = figures_of([user.pk for user in rows])
        for user in rows:
            user.figures = figures.get(user.pk, {})
        return super().filled(rows)

    @admin.display(description="attempts")
    def attempts(self, user: Any) -> int:
        return int(user.figures.get("attempts", 0))

    @admin.display(description="solved")
    def solved(self, user: Any) -> int:
        return int(user.figures.get("solved", 0))

    def panels(self, user: User) -> dict[str, Any]:
        figures = {"attempts": 0, "solved": 0} | figures_of([user.pk]).get(user.pk, {})
        return {**super().panels(user), "lists": lists_of(user), "figures": figures}

    def carry_out(self, request: Any, action: Action, users: list[User], reason: str) -> HttpResponseBase | None:
        if action is not EXPORT:
            return super().carry_out(request, action, users, reason)
        (user,) = users
        sections = export_for_admin(user=user, by=acting(request), reason=reason)
        return download(request, json_object(sections), "application/json", f"user-{user.pk}.json")
