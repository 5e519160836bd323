"""The sidebar of the admin site."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

LISTS = {  # of each group: title, icon of Material Symbols, and name of each list
    "People": [
        ("Users", "group", "accounts_user"),
        ("Sessions", "devices", "accounts_session"),
        ("Failed logins", "gpp_bad", "axes_accessfailurelog"),
    ],
    "Outgoing": [
        ("Mails", "mail", "accounts_mail"),
        ("Events", "campaign", "core_event"),
    ],
    "Practice": [
        ("Attempts", "code", "attempts_attempt"),
        ("Question statuses", "task_alt", "attempts_questionstatus"),
    ],
    "Trail": [
        ("Audit trail", "history", "accounts_auditentry"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    overview = {"items": [{"title": "Overview", "icon": "monitoring", "link": reverse("admin:index")}]}
    groups = [
        {
            "title": group,
            "separator": True,
            "items": [
                {"title": title, "icon": icon, "link": reverse(f"admin:{name}_changelist")}
                for title, icon, name in lists
            ],
        }
        for group, lists in LISTS.items()
    ]
    return [overview, *groups]
