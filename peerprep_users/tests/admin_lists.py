"""What the tests of the admin site's lists, their export and the search share."""

import re
from html import unescape
from typing import Any

from axes.models import AccessFailureLog
from django.apps import apps
from django.test import Client
from django.urls import reverse

from peerprep_users.admin_site.sidebar import LISTS

USERS = "/admin/accounts/user/"
MAILS = "/admin/accounts/mail/"
MODELS = [apps.get_model(name) for group in LISTS.values() for name in group]


def path_of(model: Any, page: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def texts(html: str, element: str) -> list[str]:
    """The texts of all elements of this name, and of what is in them."""
    found = re.findall(rf"<{element}\b.*?</{element}>", html, re.DOTALL)
    return [" ".join(unescape(re.sub("<[^>]*>", " ", each)).split()) for each in found]


def opened(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return str(answer.content.decode().replace("\N{NO-BREAK SPACE}", " "))


def fail_logins(email: str, count: int, ip: str = "192.0.2.7") -> None:
    AccessFailureLog.objects.bulk_create(
        AccessFailureLog(username=email, ip_address=ip, user_agent="", http_accept="", path_info="")
        for _ in range(count)
    )
