"""What the admin site answers to addresses, forms and actions that make no sense."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.test import Client

from accounts.admin.base import Pages, path_of
from accounts.models import AuditEntry, User
from conftest import Api, Person, browser_of

PAGES = [page for page in django_admin.site._registry.values() if isinstance(page, Pages)]
VALUES = ["%00", "1", "9" * 20, "zz", "-1", "", "9999-99-99"]
LOOKUPS = ["exact", "year", "range", "startswith", "gte", "isnull", "in", "regex", "date__year"]
OWN = ["o", "p", "q", "all", "_to_field", "_facets", "_changelist_filters", "nonsense", "a__b__c"]


@pytest.fixture
def browser(admin: Person, alice: Person) -> Client:
    """The admin's, signed in. Whatever a page raises is raised in the test."""
    return browser_of(admin)


def parameters(page: Pages) -> Iterator[str]:
    """Whatever the address of the list could have: of its own, of its filters and of each column."""
    yield from OWN
    yield from page.links
    for each in page.list_filter:
        if parameter := getattr(each, "parameter_name", None):
            yield parameter
    for number, column in enumerate(page.model._meta.fields):
        yield f"{column.name}__{LOOKUPS[number % len(LOOKUPS)]}"
    for each in page.list_filter:
        name = each if isinstance(each, str) else each[0] if isinstance(each, tuple) else None
        yield from [f"{name}__exact", f"{name}__isempty", f"{name}_from", f"{name}_to"] if name else []


@pytest.mark.parametrize("page", PAGES, ids=[page.model.__name__ for page in PAGES])
def test_no_address_of_a_list_is_a_fault(browser: Client, page: Pages) -> None:
    """Faults raise."""
    for parameter, value in zip(parameters(page), cycle(VALUES), strict=False):
        assert browser.get(path_of(page, f"{parameter}={value}")).status_code in {200, 302, 400}, (parameter, value)


def test_a_list_is_filtered_by_what_it_offers_alone(browser: Client) -> None:
    for query in (
        "accounts/user/?email__startswith=a",
        "accounts/user/?created_at__year=99999999999999999999",
        "accounts/session/?refresh_id__gte=0",
        "accounts/auditentry/?salt__startswith=a",
        "accounts/mail/?tries__range=1",
    ):
        answer: Any = browser.get(f"/admin/{query}")
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/{query.partition('?')[0]}?e=1"), query


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


def test_a_needless_action_says_so_and_leaves_no_entry(browser: Client, admin: Person, alice: Person) -> None:
    Api().post("/auth/login", {"email": alice.user.email, "password": "wrong once"})
    before = AuditEntry.objects.count()
    for action, chosen, said in [
        ("unlock", alice, "was not locked"),
        ("verify_address", alice, "was verified already"),
        ("reactivate", alice, "was not deactivated"),
        ("take_admin_away", alice, "was not an admin"),
        ("make_admin", admin, "was an admin already"),
    ]:
        fields = {"action": action, "_selected_action": str(chosen.user.pk), "confirmed": "yes", "reason": "mistaken"}
        answer: Any = browser.post("/admin/accounts/user/", fields, follow=True)
        assert [str(each) for each in answer.context["messages"]] == [f"{chosen.user.email} {said}."]
    assert AuditEntry.objects.count() == before
