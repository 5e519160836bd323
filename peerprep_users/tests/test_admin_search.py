"""The search from every page of the admin site."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from axes.models import AccessFailureLog
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Mail, Session, User
from attempts.models import Attempt
from conftest import PASSWORD, Person
from core.models import Event
from peerprep_users.admin_site import search
from peerprep_users.tests.admin_lists import MAILS, USERS, fail_logins, opened, path_of, texts


def found(browser: Client, term: str, **more: str) -> dict[str, str]:
    answer = browser.get("/admin/search/", {"s": term, **more})
    assert answer.status_code == 200
    context: Any = answer.context
    results = context["results"] if more else context["found"]
    for result in results:
        assert browser.get(result.link).status_code == 200
    return {result.title: result.link for result in results}


def test_people_are_found_from_every_page(browser: Client, alice: Person, bob: Person) -> None:
    assert 'action="/admin/search/"' in opened(browser, MAILS)
    page = path_of(User, "change", alice.user.pk)
    for term in ("alice@example.com", " ALICE@Example.com", "ali", str(alice.user.pk), alice.user.pk.hex):
        assert found(browser, term) == {"alice@example.com": page}
    assert found(browser, "ali", extended="1") == {"alice@example.com": page}
    assert "Nothing found." in opened(browser, "/admin/search/?s=zoe")


def test_of_many_people_the_first_are_found_and_the_list_of_all(browser: Client) -> None:
    addresses = [f"al{number}@example.com" for number in range(100, 110)]
    User.objects.bulk_create(User(email=address, name="x") for address in reversed(addresses))
    assert list(found(browser, "AL1")) == addresses
    User.objects.create(email="al110@example.com")
    *shown, more = found(browser, "AL1").items()
    assert [address for address, _ in shown] == addresses
    assert more == ("More users match “al1”", f"{USERS}?q=al1")


def test_where_nothing_is_found_the_page_says_what_is(browser: Client, alice: Person) -> None:
    page = opened(browser, "/admin/search/?s=al")
    assert "its beginning (three characters at least)" in page
    User.objects.filter(pk=alice.user.pk).update(name="Zoe & Co")
    (link,) = re.findall(r'search the <a [^>]*href="([^"]*)"', opened(browser, "/admin/search/?s=zoe+%26"))
    assert alice.user.email in opened(browser, unescape(link))


def test_a_search_is_called_what_it_looks_for(browser: Client) -> None:
    assert texts(opened(browser, "/admin/search/?s=192.0.2.1"), "h1") == ["Search for “192.0.2.1”"]


def test_what_an_address_without_an_account_left_is_found(browser: Client) -> None:
    fail_logins("gone@example.com", 2)
    Mail.objects.create(kind=Mail.Kind.VERIFICATION, to="gone@example.com")
    assert set(found(browser, "gone@example.com")) == {"Mails to gone@example.com", "Failed logins of gone@example.com"}


def test_rows_are_found_by_id(browser: Client, alice: Person) -> None:
    attempt = Attempt.objects.create(
        user=alice.user, question_id=1, language="c", passed_tests=0, total_tests=1, submitted_code="x"
    )
    mail = Mail.objects.create(kind=Mail.Kind.VERIFICATION, to="a@example.com")
    event = Event.objects.create(type=Event.Type.USER_RENAMED, user_id=alice.user.pk, data={})
    for row in (alice.session, attempt, mail, event):
        assert list(found(browser, str(row.id)).values()) == [path_of(type(row), "change", row.pk)]


def test_audit_entries_and_events_are_found_by_their_numbers(browser: Client, alice: Person) -> None:
    alice.api.put("/users/me", {"new_password": "a better horse battery", "old_password": PASSWORD})
    event = Event.objects.create(type=Event.Type.USER_RENAMED, user_id=alice.user.pk, data={}, position=7_654_321)
    for row in (AuditEntry.objects.get(), event):
        assert path_of(type(row), "change", row.pk) in found(browser, str(row.pk)).values()
        assert f">{row.pk}<" in re.sub(r"\s+", "", opened(browser, path_of(type(row), "change", row.pk)))
    assert found(browser, "7654322") == found(browser, "9" * 30) == {}


def test_the_trail_of_a_deleted_user_is_found_by_id(browser: Client, alice: Person) -> None:
    browser.post(f"{USERS}{alice.user.pk}/delete/confirm/", {"confirmed": "yes", "reason": "spam"})
    trail = f"{path_of(AuditEntry)}?user_id={alice.user.pk}"
    assert found(browser, str(alice.user.pk)) == {"Audit trail of a deleted user": trail}


def test_a_client_address_leads_to_failed_logins_and_to_sessions_and_so_to_users(
    browser: Client, alice: Person, bob: Person
) -> None:
    fail_logins("x@example.com", 3, "2001:db8::1")
    Session.objects.filter(user=alice.user).update(ip="2001:db8::1")
    results = found(browser, "2001:0db8:0::1")
    assert list(results) == ["Sessions from 2001:db8::1", "Failed logins from 2001:db8::1"]
    for title, link in results.items():
        assert texts(opened(browser, link), "h1") == [title]
    rows = opened(browser, results["Sessions from 2001:db8::1"]).partition('id="result_list"')[2]
    assert alice.user.email in rows and bob.user.email not in rows
    assert alice.user.email in opened(browser, f"{path_of(Session)}?q=2001:db8::1")
    assert found(browser, "192.0.2.99") == {}


@pytest.mark.parametrize("path", ["/admin/search/?s=nobody", f"{USERS}?q=nobody", f"{USERS}?q=nobody@example.com"])
def test_a_search_for_people_is_planned_for_what_is_searched_for(browser: Client, path: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("about PostgreSQL's plans")
    for _ in range(10):
        opened(browser, path)
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%LIKE%LIMIT%'")
        assert cursor.fetchall() == []


@pytest.mark.parametrize(
    ("term", "count"),
    [
        ("alice", 2),
        ("malice@", 1),
        ("MALICE@ex", 1),
        ("lice@ex", 2),
        ("alice@ex mal", 1),
        ("alice@exa.com", 0),
        ("@ex", 4),
    ],
)
def test_the_list_finds_users_by_a_part_of_their_address(
    browser: Client, alice: Person, bob: Person, term: str, count: int
) -> None:
    User.objects.create(email="malice@example.com")
    assert len(browser.get(USERS, {"q": term}).context["cl"].result_list) == count


def test_of_many_people_the_first_are_found_by_an_index(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("about PostgreSQL's plans")
    User.objects.bulk_create(User(email=f"{name}{number}@a.example") for name in "ab" for number in range(5_000))
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        cursor.execute("ANALYZE users")
        list(search.people("b12"))
        (query,) = [each["sql"] for each in queries if "users" in each["sql"] and "LIKE" in each["sql"]]
        cursor.execute(f"EXPLAIN {query}")
        plan = "".join(line for (line,) in cursor.fetchall())
    assert "users_email_unique" in plan and "Index Cond" in plan


def test_the_sessions_of_a_client_address_are_found_by_an_index(alice: Person) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("about PostgreSQL's plans")
    end = timezone.now() + timedelta(1)
    Session.objects.bulk_create(
        Session(user=alice.user, expires_at=end, ip=f"10.0.{number // 250}.{number % 250}") for number in range(2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sessions")
    assert (
        "sessions_newest_of_ip" in Session.objects.filter(ip="192.0.2.7").order_by("-created_at", "id")[:50].explain()
    )


def test_an_event_is_found_by_an_index(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("about PostgreSQL's plans")
    Event.objects.bulk_create(Event(type=Event.Type.USER_RENAMED, user_id=uuid4(), data={}) for _ in range(2_000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE events")
    assert "events_id" in Event.objects.filter(id=uuid4()).explain()


def test_lists_are_found_by_name(browser: Client) -> None:
    assert found(browser, "failed") == {"Failed logins": path_of(AccessFailureLog)}


def test_no_search_is_a_fault(browser: Client) -> None:
    for term in ("", " ", "@", "%", "x" * 5_000, "a\0b", "\ud7ff" * 3, "'; --", "::1%eth0", "1.2.3"):
        assert found(browser, term) == {}
