"""What the search of every admin page finds: people by address, rows by id and client address, lists by name."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from axes.models import AccessFailureLog
from django.contrib import admin
from django.db import connection
from django.http import HttpRequest
from unfold.dataclasses import SearchResult

from accounts.addresses import EMAIL_LENGTH, normalised
from accounts.admin.base import changelist_url, row_url, user_url
from accounts.models import AuditEntry, Mail, Session, User
from attempts.models import Attempt
from core.client import client_address
from core.estimates import count_or_estimate
from core.models import Event
from core.postgresql import unprepared
from peerprep_users.admin_site.sidebar import sidebar

PREFIX_LENGTH = 3  # of an address: an index of trigrams finds no less
MOST_USERS = 10
NUMBER = re.compile(r"\d{1,18}", re.ASCII)
WITH_NUMBERS = (AuditEntry, Event)
WITH_UUIDS = (User, Session, Mail, Attempt, Event)


def find(request: HttpRequest, term: str) -> list[SearchResult]:
    term = term.strip()
    if not term or len(term) > EMAIL_LENGTH or not term.isprintable():
        return []
    return [*lists_named(request, term), *rows_with_id(request, term), *rows_from(term), *people(normalised(term))]


def lists_named(request: HttpRequest, term: str) -> Iterator[SearchResult]:
    for group in sidebar(request):
        for item in group["items"]:
            if term.lower() in item["title"].lower():
                yield SearchResult(item["title"], group.get("title", ""), item["link"], item["icon"])


def rows_with_id(request: HttpRequest, term: str) -> Iterator[SearchResult]:
    """Rows by id, and the trail of a deleted user, who has no row."""
    for model, field, value in ids_in(term):
        page: Any = admin.site.get_model_admin(model)
        if row := page.get_queryset(request).filter(**{field: value}).first():
            yield SearchResult(page.title_of(row), f"{page.row_name} {value}", row_url(row), "data_object")
        elif model is User and AuditEntry.objects.filter(user_id=value).exists():
            link = changelist_url("accounts_auditentry", user_id=value)
            yield SearchResult("Audit trail of a deleted user", str(value), link, "history")


def ids_in(term: str) -> Iterator[tuple[Any, str, Any]]:
    """The models whose row it may name, in which field."""
    if NUMBER.fullmatch(term):
        yield from ((model, "pk", int(term)) for model in WITH_NUMBERS)
    with suppress(ValueError):
        wanted = UUID(term)
        yield from ((model, "id", wanted) for model in WITH_UUIDS)


def rows_from(term: str) -> Iterator[SearchResult]:
    """What a client address left behind."""
    if address := client_address(term):
        sessions = Session.objects.filter(ip=address)
        failures = AccessFailureLog.objects.filter(ip_address=address)
        for title, rows, link, icon in (
            ("Sessions", sessions, changelist_url("accounts_session", ip=address), "devices"),
            ("Failed logins", failures, changelist_url("axes_accessfailurelog", ip_address=address), "gpp_bad"),
        ):
            if (count := count_or_estimate(rows)).value:
                yield SearchResult(f"{title} from {address}", str(count), link, icon)


def people(address: str) -> Iterator[SearchResult]:
    """Users by the beginning of their address, and what a whole address left behind without having an account."""
    if len(address) < PREFIX_LENGTH:
        return
    # PostgreSQL finds few by their trigrams, and many in their order: by `gte` from the first one on.
    matching = User.objects.filter(email__startswith=address, email__gte=address).order_by("email")
    with unprepared(connection):
        users = list(matching[: MOST_USERS + 1])
    for user in users[:MOST_USERS]:
        yield SearchResult(user.email, user.name, user_url(user.pk), "person")
    if len(users) > MOST_USERS:
        link = changelist_url("accounts_user", q=address)
        yield SearchResult(f"More users match “{address}”", f"Above are the first {MOST_USERS}.", link, "group")
    if Mail.objects.filter(to=address).exists():
        yield SearchResult(f"Mails to {address}", "", changelist_url("accounts_mail", to=address), "mail")
    if AccessFailureLog.objects.filter(username=address).exists():
        link = changelist_url("axes_accessfailurelog", username=address)
        yield SearchResult(f"Failed logins of {address}", "", link, "gpp_bad")
