"""What the admin site answers to impossible filters, forms and actions."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin as django_admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.admin.base import BaseAdmin
from accounts.models import AuditEntry, User
from conftest import Api, Person, person

PAGES = [page for page in django_admin.site._registry.values() if isinstance(page, BaseAdmin)]
VALUES = ["%00", "1", "9" * 20, "zz", "-1", "", "9999-99-99"]
LOOKUPS = ["exact", "year", "range", "startswith", "gte", "isnull", "in", "regex", "date__year"]
OWN = ["o", "p", "q", "all", "_to_field", "_facets", "_changelist_filters", "nonsense", "a__b__c"]


def parameters(page: BaseAdmin) -> Iterator[str]:
    """All that the address of the list could have: its own parameters, those of its filters and of each column."""
    yield from OWN
    yield from page.link_parameters
    filters = [*page.list_filter, *getattr(page, "user_filters", [])]
    for each in filters:
        if parameter := getattr(each, "parameter_name", None):
            yield parameter
    for number, column in enumerate(page.model._meta.fields):
        yield f"{column.name}__{LOOKUPS[number % len(LOOKUPS)]}"
    for each in filters:
        name = each if isinstance(each, str) else each[0] if isinstance(each, tuple) else None
        yield from [f"{name}__exact", f"{name}__isempty", f"{name}_from", f"{name}_to"] if name else []


@pytest.mark.slow
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("page", PAGES, ids=[page.model.__name__ for page in PAGES])
def test_no_address_of_a_list_is_a_fault(browser: Client, page: BaseAdmin) -> None:
    """Faults raise."""
    path = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    for parameter, value in zip(parameters(page), cycle(VALUES), strict=False):
        for query in (f"{parameter}={value}", f"{parameter}={value}&q=alice@example.com"):
            assert browser.get(f"{path}?{query}").status_code in {200, 302, 400}, query


def test_a_list_accepts_no_filter_that_it_does_not_offer(browser: Client) -> None:
    for query in (
        "accounts/user/?email__startswith=a",
        "accounts/user/?created_at__year=99999999999999999999",
        "accounts/session/?refresh_id__gte=0",
        "accounts/auditentry/?seal__startswith=a",
        "accounts/mail/?tries__range=1",
        "accounts/session/?user_agent=curl",
        "accounts/user/?role__exact=ADMIN&role__exact=USER",
        "attempts/attempt/?question_id__exact=7",
    ):
        answer: Any = browser.get(f"/admin/{query}")
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/{query.partition('?')[0]}?e=1"), query
    said = "all of the list is shown"
    assert said in browser.get(answer.headers["Location"]).content.decode()
    assert said not in browser.get("/admin/accounts/user/?e=1&locked=yes").content.decode()
    assert browser.get("/admin/accounts/auditentry/?part=x").headers["Location"].endswith("?e=1")


GONE = [
    "accounts/",
    "accounts/user/x/change/",
    f"accounts/session/{UUID(int=0)}/change/",
    "accounts/auditentry/7/change/",
]


@pytest.mark.parametrize(
    "path", ["r/1/2/", "r/1/1/", "r/accounts.user/x/", "r/", "nonsense/", "accounts/nonsense/", *GONE]
)
def test_a_page_that_does_not_exist_is_not_found(browser: Client, path: str) -> None:
    assert browser.get(f"/admin/{path}").status_code == 404


@pytest.mark.parametrize("chosen", ["nonsense", "\x00", "9" * 20, ""])
def test_an_action_on_no_row_does_nothing(browser: Client, chosen: str) -> None:
    for path, action in {"accounts/user": "deactivate", "accounts/mail": "resend"}.items():
        fields = {"action": action, "_selected_action": chosen, "confirmed": "yes", "reason": "mistaken"}
        answer: Any = browser.post(f"/admin/{path}/", fields)
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/{path}/?e=1")


def test_an_action_is_taken_on_the_chosen_rows_alone(browser: Client, alice: Person, bob: Person) -> None:
    fields = {"action": "deactivate", "select_across": "1", "confirmed": "yes", "reason": "mistaken"}
    browser.post("/admin/accounts/user/", fields | {"_selected_action": [str(alice.user.pk)]})
    browser.post("/admin/accounts/user/", fields | {"_selected_action": [], "index": "0"})
    assert list(User.objects.filter(is_active=False)) == [alice.user]


def test_an_action_that_does_not_apply_says_so_and_leaves_no_entry(
    browser: Client, admin: Person, alice: Person
) -> None:
    Api().post("/auth/login", {"email": alice.user.email, "password": "wrong once"})
    before = AuditEntry.objects.count()
    for action, chosen, said in [
        ("unlock", alice, "is not locked"),
        ("verify_address", alice, "is already verified, or has still to choose a password"),
        ("reactivate", alice, "is not deactivated"),
        ("revoke_admin", alice, "is not an admin"),
        ("grant_admin", admin, "is already an admin"),
    ]:
        fields = {"action": action, "_selected_action": str(chosen.user.pk), "confirmed": "yes", "reason": "mistaken"}
        answer: Any = browser.post("/admin/accounts/user/", fields, follow=True)
        assert [str(each) for each in answer.context["messages"]] == [f"{chosen.user.email} {said}."]
    assert AuditEntry.objects.count() == before


def test_what_does_not_apply_to_many_is_said_once(browser: Client) -> None:
    for number in range(5):
        person(f"user{number}@example.com")
    chosen = [str(pk) for pk in User.objects.filter(role="USER").values_list("pk", flat=True)]
    answer: Any = browser.post("/admin/accounts/user/", {"action": "unlock", "_selected_action": chosen}, follow=True)
    (said,) = [str(each) for each in answer.context["messages"]]
    assert said == " ".join(
        [*(f"user{number}@example.com is not locked." for number in range(3)), "2 more are left as they are."]
    )


def test_an_action_on_rows_that_are_gone_says_so(browser: Client) -> None:
    for path, action in {"accounts/user": "delete", "accounts/mail": "resend"}.items():
        fields = {"action": action, "_selected_action": str(UUID(int=0)), "confirmed": "yes", "reason": "mistaken"}
        answer: Any = browser.post(f"/admin/{path}/", fields, follow=True)
        assert [str(each) for each in answer.context["messages"]] == ["What was chosen is no longer there."]


def test_an_action_on_many_costs_as_many_queries_as_on_one_to_ask(browser: Client, alice: Person) -> None:
    costs = []
    for action in ("end_sessions", "unlock", "deactivate"):
        for count in (1, 20):
            for number in range(count):
                User.objects.get_or_create(email=f"user{number}@example.com")
            chosen = [str(pk) for pk in User.objects.filter(role="USER").values_list("pk", flat=True)[: count + 1]]
            fields = {"action": action, "_selected_action": chosen}
            with CaptureQueriesContext(connection) as queries:
                browser.post("/admin/accounts/user/", fields)
            costs.append(len(queries))
    assert costs[0::2] == costs[1::2]
