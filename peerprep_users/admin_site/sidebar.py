"""The sidebar of the admin site."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

# Of each group the lists: title, icon of Material Symbols, name of the list, query that leaves a part of it.
GROUPS = {
    "People": [
        ("Users", "group", "accounts_user", ""),
        ("Sessions", "devices", "accounts_session", ""),
        ("Failed logins", "gpp_bad", "axes_accessfailurelog", ""),
    ],
    "Mail": [
        ("Mails", "mail", "accounts_mail", ""),
        ("Dead mails", "unsubscribe", "accounts_mail", "outcome=dead"),
    ],
    "Practice": [
        ("Attempts", "code", "attempts_attempt", ""),
        ("Question statuses", "task_alt", "attempts_questionstatus", ""),
    ],
    "Trail": [
        ("Audit trail", "history", "accounts_auditentry", ""),
        ("Security events", "shield", "accounts_auditentry", "part=security"),
    ],
}
PARTS = [query for lists in GROUPS.values() for *_, query in lists if query]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    overview = {"items": [{"title": "Overview", "icon": "monitoring", "link": reverse("admin:index")}]}
    groups = [
        {"title": group, "separator": True, "items": [item(request, *each) for each in lists]}
        for group, lists in GROUPS.items()
    ]
    return [overview, *groups]


def item(request: HttpRequest, title: str, icon: str, name: str, query: str) -> dict[str, Any]:
    path = reverse(f"admin:{name}_changelist")
    shown = next((part for part in PARTS if part in request.META.get("QUERY_STRING", "")), "")
    return {
        "title": title,
        "icon": icon,
        "link": f"{path}?{query}" if query else path,
        "active": request.path.startswith(path) and shown == query,
    }
