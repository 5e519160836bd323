"""What the search of every admin page finds: people by address, rows by id, failed logins by client address, lists."""

from collections.abc import Iterator
from ipaddress import ip_address
from uuid import UUID

from axes.models import AccessFailureLog
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from accounts.addresses import EMAIL_LENGTH, normalised
from accounts.admin.base import changelist_url, user_url
from accounts.models import Mail, Session, User
from attempts.models import Attempt
from core.estimates import count_or_estimate
from peerprep_users.admin_site.sidebar import sidebar

PREFIX_LENGTH = 3  # of an address: an index of trigrams finds no less
MOST_USERS = 10
WITH_IDS = (Session, Mail, Attempt)


def find(request: HttpRequest, term: str) -> list[SearchResult]:
    term = term.strip()
    if not term or len(term) > EMAIL_LENGTH or not term.isprintable():
        return []
    return [*lists_named(request, term), *rows_with_id(term), *failures_from(term), *people(normalised(term))]


def lists_named(request: HttpRequest, term: str) -> Iterator[SearchResult]:
    for group in sidebar(request):
        for item in group["items"]:
            if term.lower() in item["title"].lower():
                yield SearchResult(item["title"], group.get("title", ""), item["link"], item["icon"])


def rows_with_id(term: str) -> Iterator[SearchResult]:
    try:
        wanted = UUID(term)
    except ValueError:
        return
    if user := User.objects.filter(pk=wanted).first():
        yield SearchResult(user.email, "User", user_url(user.pk), "person")
    for model in WITH_IDS:
        if model.objects.filter(pk=wanted).exists():
            name = f"{model._meta.app_label}_{model._meta.model_name}"
            title = str(model._meta.verbose_name).capitalize()
            yield SearchResult(title, str(wanted), reverse(f"admin:{name}_change", args=[wanted]), "data_object")


def failures_from(term: str) -> Iterator[SearchResult]:
    try:
        address = str(ip_address(term))
    except ValueError:
        return
    if count := count_or_estimate(AccessFailureLog.objects.filter(ip_address=address)).value:
        link = changelist_url("axes_accessfailurelog", q=address)
        yield SearchResult(f"Failed logins from {address}", f"{count:,}", link, "gpp_bad")


def people(address: str) -> Iterator[SearchResult]:
    """Users by the beginning of their address, and what a whole address left behind without having an account."""
    if len(address) < PREFIX_LENGTH:
        return
    for user in sorted(User.objects.filter(email__startswith=address)[:MOST_USERS], key=str):
        yield SearchResult(user.email, user.name, user_url(user.pk), "person")
    if Mail.objects.filter(to=address).exists():
        yield SearchResult(f"Mails to {address}", "", changelist_url("accounts_mail", to=address), "mail")
    if AccessFailureLog.objects.filter(username=address).exists():
        link = changelist_url("axes_accessfailurelog", username=address)
        yield SearchResult(f"Failed logins of {address}", "", link, "gpp_bad")
