"""The sidebar of the admin site."""

from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.urls import reverse

from peerprep_users.templatetags.list_names import list_title

LISTS = {  # of each group: the model of each list, and its icon of Material Symbols
    "People": {"accounts.user": "group", "accounts.session": "devices", "axes.accessfailurelog": "gpp_bad"},
    "Outgoing": {"accounts.mail": "mail", "core.event": "campaign"},
    "Practice": {"attempts.attempt": "code", "attempts.questionstatus": "task_alt"},
    "Trail": {"accounts.auditentry": "history"},
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    overview = {"items": [{"title": "Overview", "icon": "monitoring", "link": reverse("admin:index")}]}
    groups = [
        {"title": group, "separator": True, "items": [item(model, icon) for model, icon in lists.items()]}
        for group, lists in LISTS.items()
    ]
    return [overview, *groups]


def item(model: str, icon: str) -> dict[str, Any]:
    link = reverse(f"admin:{model.replace('.', '_')}_changelist")
    return {"title": list_title(apps.get_model(model)._meta), "icon": icon, "link": link}
