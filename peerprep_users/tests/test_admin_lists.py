"""The lists of the admin site, their export, and the search of every page."""

import csv
import json
import re
from datetime import timedelta
from html import unescape
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from axes.models import AccessFailureLog
from django.apps import apps
from django.contrib import admin as django_admin
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.models import AuditEntry, Mail, Role, Session, User
from attempts.models import Attempt, QuestionStatus
from conftest import PASSWORD, Api, Person, browser_of
from core import client
from core.concurrency import Slots
from core.models import Event
from peerprep_users.admin_site.sidebar import LISTS

USERS = "/admin/accounts/user/"
MAILS = "/admin/accounts/mail/"
DEVICE = client.Client(ip="192.0.2.7", user_agent="curl/8")
MODELS = [apps.get_model(name) for group in LISTS.values() for name in group]
SECRET = {"password", "code_hash", "refresh_id", "previous_id", "seal", "hash", "after_hash", "submitted_code"}


@pytest.fixture
def browser(admin: Person) -> Client:
    """The admin's, signed in."""
    return browser_of(admin)


def path_of(model: Any, page: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def texts(html: str, element: str) -> list[str]:
    """The texts of all elements of this name, and of what is in them."""
    found = re.findall(rf"<{element}\b.*?</{element}>", html, re.DOTALL)
    return [" ".join(unescape(re.sub("<[^>]*>", " ", each)).split()) for each in found]


def opened(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def fail_logins(email: str, count: int, ip: str = "192.0.2.7") -> None:
    AccessFailureLog.objects.bulk_create(
        AccessFailureLog(username=email, ip_address=ip, user_agent="", http_accept="", path_info="")
        for _ in range(count)
    )


def lock(someone: Person) -> None:
    for _ in range(3):
        Api().post("/auth/login", {**someone.credentials, "password": "wrong password"})


# --- Names ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def world(browser: Client, alice: Person) -> Client:
    alice.api.post(
        "/api/v1/attempts",
        {"question_id": 5, "language": "python", "submitted_code": "x", "passed_tests": 1, "total_tests": 1},
    )
    Mail.objects.create(kind=Mail.Kind.RESET_CODE, to=alice.user.email)
    fail_logins(alice.user.email, 1)
    browser.post(f"{USERS}{alice.user.pk}/change/", {"name": "Alicia"})
    Event.objects.create(type=Event.Type.USER_RENAMED, user_id=alice.user.pk, data={})
    return browser


@pytest.mark.parametrize("model", MODELS, ids=[model.__name__ for model in MODELS])
def test_sidebar_heading_title_and_breadcrumb_call_a_list_the_same(world: Client, model: Any) -> None:
    page = opened(world, path_of(model))
    (heading,) = texts(page, "h1")
    assert texts(page, "title") == [f"{heading} | PeerPrep User Service"]
    linked = texts("".join(re.findall(rf'<a [^>]*href="{path_of(model)}".*?</a>', page, re.DOTALL)), "a")
    assert any(text.endswith(f" {heading}") for text in linked)
    row = opened(world, path_of(model, "change", model._default_manager.all()[0].pk))
    assert f'<a href="{path_of(model)}">{heading}</a>' in row


def test_a_filter_of_days_is_called_what_its_column_is(world: Client) -> None:
    for path, title in ((USERS, "registered"), (path_of(AccessFailureLog), "time"), (path_of(Session), "created at")):
        changelist = world.get(path).context["cl"]
        assert title in [str(spec.title) for spec in changelist.filter_specs]


def test_every_list_is_in_the_sidebar() -> None:
    assert set(MODELS) == set(django_admin.site._registry)


def test_the_page_of_a_row_is_called_what_it_is(world: Client, alice: Person) -> None:
    for model, name in {
        User: "alice@example.com",
        Session: "Session of alice@example.com",
        Attempt: "Attempt of alice@example.com, question 5",
        QuestionStatus: "Question status of alice@example.com, question 5",
        Mail: "Reset code to alice@example.com",
        AccessFailureLog: "Failed login of alice@example.com",
    }.items():
        rows: Any = model._default_manager.all()
        about_alice: Any = {User: {"pk": alice.user.pk}, Session: {"user": alice.user}}.get(model, {})
        page = opened(world, path_of(model, "change", rows.filter(**about_alice)[0].pk))
        assert (texts(page, "h1"), texts(page, "title")) == ([name], [f"{name} | PeerPrep User Service"])


def test_a_list_that_is_narrowed_says_to_what_and_offers_the_way_out(browser: Client, alice: Person) -> None:
    address, pk = alice.user.email, alice.user.pk
    for path, heading, ways_out in (
        (f"{path_of(Session)}?user__id__exact={pk}", f"Sessions of {address}", ["?"]),
        (f"{path_of(AuditEntry)}?user_id={pk}", f"Audit trail of {address}", ["?"]),
        (f"{path_of(AuditEntry)}?user_id={pk}&part=security", f"Security audit trail of {address}", None),
        (f"{path_of(Mail)}?to={address}", f"Mails to {address}", ["?"]),
        (f"{path_of(AccessFailureLog)}?username={address}", f"Failed logins of {address}", ["?"]),
        (f"{path_of(AccessFailureLog)}?user_agent=", "Failed logins by an unknown device", ["?"]),
        (f"{path_of(Session)}?live=yes&user__id__exact={pk}", f"Live sessions of {address}", None),
        (f"{USERS}?role__exact=USER", "Users with role User", ["?"]),
        (f"{path_of(QuestionStatus)}?q=al&solved_at__isempty=1", "Unsolved question statuses matching “al”", None),
        (f"{USERS}?role__exact=OWNER", "Users with role OWNER", ["?"]),
        (f"{USERS}?created_at_from=2020-01-01&created_at_to=2020-01-01", "Users on 2020-01-01", ["?"]),
        (
            f"{USERS}?is_verified__exact=1&q=ali&created_at_from=2020-01-01",
            "Verified users from 2020-01-01 matching “ali”",
            [
                "?created_at_from=2020-01-01&q=ali",
                "?is_verified__exact=1&q=ali",
                "?created_at_from=2020-01-01&is_verified__exact=1",
            ],
        ),
    ):
        page = opened(browser, path)
        assert texts(page, "h1") == [heading]
        chips = [unescape(link) for link in re.findall(r'<a href="([^"]*)" aria-label="[^"]*: remove"', page)]
        assert ways_out is None or chips == ways_out


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (f"{USERS}?locked=yes", "No locked users."),
        (f"{path_of(Session)}?live=yes&ip=192.0.2.99", "No live sessions from 192.0.2.99."),
        (f"{USERS}?q=zzz&is_active__exact=0", "No deactivated users matching “zzz”."),
        (path_of(AccessFailureLog), "No failed logins."),
        (f"{path_of(AuditEntry)}?part=security", "No security audit entries."),
        (f"{MAILS}?outcome=dead&to=x@example.com", "No dead mails to x@example.com."),
    ],
)
def test_an_empty_list_says_what_there_is_none_of(browser: Client, path: str, sentence: str) -> None:
    page = opened(browser, path)
    assert sentence in texts(page, "p")
    assert ("Mails are kept for 7 days." in texts(page, "p")) == path.startswith(MAILS)
    assert "Export as CSV" not in page


ONE_FORM = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
ANY_TIME = re.compile(r"\d\d?:\d\d(:\d\d)?|UTC")


CHOICES = [AuditEntry.Kind, Mail.Kind, Session.EndReason, Event.Type, Role]
CODES = [code for codes in CHOICES for code in codes.values if "_" in code or "." in code]


def text_of(browser: Client, path: str) -> str:
    """What a page says, less what is shown as it is stored."""
    page = opened(browser, path)
    return unescape(re.sub("(?s)<(script|pre).*?</(script|pre)>|<[^>]*>", " ", page[page.index('id="content"') :]))


@pytest.mark.parametrize("codes", CHOICES)
def test_labels_are_words_of_a_sentence(codes: Any) -> None:
    assert all(label[1:] == label[1:].lower() for label in codes.labels)
    assert codes is not AuditEntry.Kind or max(map(len, codes.labels)) <= 24  # more is too wide for a desktop


def test_every_time_has_one_form_and_nothing_reads_like_code(world: Client, alice: Person) -> None:
    while mail := Mail.objects.claim():
        Mail.objects.fail(mail, "No.", for_good=True)
    lock(alice)
    rows = [row for model in MODELS for row in model._default_manager.all()]
    for path in (*map(path_of, MODELS), *(path_of(type(row), "change", row.pk) for row in rows)):
        shown = text_of(world, path)
        assert not ANY_TIME.search(ONE_FORM.sub("", shown)), path
        assert not any(code in shown for code in CODES), path
    assert re.search(f"locked until {ONE_FORM.pattern}", " ".join(texts(opened(world, USERS), "td")))


def test_the_list_of_users_says_all_that_keeps_somebody_out(browser: Client, unverified: Person) -> None:
    lock(unverified)
    User.objects.filter(pk=unverified.user.pk).update(is_active=False)
    (state,) = [cell for cell in texts(opened(browser, f"{USERS}?q=una"), "td") if "locked" in cell]
    assert re.fullmatch(f"deactivated unverified locked until {ONE_FORM.pattern}", state)


def test_security_events_are_told_from_other_entries(browser: Client, alice: Person) -> None:
    lock(alice)
    browser.post(f"{USERS}{alice.user.pk}/change/", {"name": "Alicia"})
    rows = browser.get("/admin/accounts/auditentry/?part=security").context["cl"].result_list
    assert [entry.kind for entry in rows] == ["account_locked"] and AuditEntry.objects.count() == 2


# --- Where one is ---------------------------------------------------------------------------------------------------


def test_live_sessions_are_told_from_ended_ones(browser: Client, admin: Person, alice: Person, bob: Person) -> None:
    alice.api.post("/auth/logout")
    Session.objects.filter(user=bob.user).update(rotated_at=timezone.now() - timedelta(days=8))
    shown = browser.get(f"{path_of(Session)}?live=yes").context["cl"].result_list
    assert {session.user for session in shown} == {admin.user}


def test_the_page_of_a_row_says_whose_it_is_and_with_what(browser: Client, admin: Person, alice: Person) -> None:
    mail = Mail.objects.create(kind=Mail.Kind.RESET_CODE, to=alice.user.email)
    page = opened(browser, path_of(Mail, "change", mail.pk))
    assert f'href="/admin/accounts/user/{alice.user.pk}/change/">alice@example.com<' in page
    assert f"{mail.due_at:%Y-%m-%d %H:%M:%S} UTC" in page
    assert "pytest" in opened(browser, path_of(Session, "change", alice.session.pk))
    for by, device in ((Actor.admin(admin.user, DEVICE), True), (Actor.operator(), False)):
        administration.set_role(user=alice.user, role=Role.ADMIN if device else Role.USER, by=by, reason="x")
        page = opened(browser, path_of(AuditEntry, "change", AuditEntry.objects.latest("pk").pk))
        assert ("curl" in page) == device
    assert "from: ADMIN<br>to: USER" in page


def test_a_list_says_how_many_rows_there_are_and_on_which_page_one_is(browser: Client, admin: Person) -> None:
    assert "1 user" in texts(opened(browser, USERS), "p")
    User.objects.bulk_create(User(email=f"user{number}@example.com", name="x") for number in range(101))
    page = opened(browser, f"{USERS}?p=2")
    assert "102 users, page 2 of 3" in texts(page, "p")
    links = re.findall(r'<a class="text-link" href="([^"]*)" aria-label="Page (\d)"', page)
    assert links == [("?p=1", "1"), ("?p=3", "3")]
    assert "102 users, page 3 of 3" in texts(opened(browser, f"{USERS}?p=9"), "p")


def test_numbers_have_separators(browser: Client, alice: Person) -> None:
    Attempt.objects.create(
        user=alice.user, question_id=12345, language="c", passed_tests=0, total_tests=1, runtime_ms=1234567
    )
    cells = texts(opened(browser, path_of(Attempt)), "td")
    assert "1,234,567" in cells and "12345" not in cells  # the id of a question, in the first cell, is no number


# --- Export ---------------------------------------------------------------------------------------------------------


def exported(browser: Client, path: str) -> list[dict[str, str]]:
    answer = browser.post(path)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(b"".join(answer).decode())))


@pytest.mark.parametrize("model", MODELS, ids=[model.__name__ for model in MODELS])
def test_every_list_is_exported_without_secrets(world: Client, model: Any) -> None:
    row, *_ = exported(world, path_of(model, "export"))
    assert len(row) >= 5 and not SECRET & set(row)


def test_an_export_has_the_filters_and_the_search_of_the_list(browser: Client, alice: Person, bob: Person) -> None:
    User.objects.filter(pk=bob.user.pk).update(is_verified=False)
    address = f"{USERS}export/"
    assert [row["email"] for row in exported(browser, f"{address}?is_verified__exact=0")] == [bob.user.email]
    assert [row["email"] for row in exported(browser, f"{address}?q=alice")] == [alice.user.email]
    newest_last = [row["email"] for row in exported(browser, f"{address}?o=8")]
    assert newest_last == [row["email"] for row in exported(browser, address)][::-1]
    page = opened(browser, f"{USERS}?q=alice")
    assert f'action="{address}?q=alice"' in page and "Export as CSV" in page


def test_an_export_runs_no_formula_in_a_spreadsheet(browser: Client, alice: Person) -> None:
    for name in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a\n=1"):
        User.objects.filter(pk=alice.user.pk).update(name=name)
        (row,) = exported(browser, f"{USERS}export/?q=alice")
        assert re.search(r"(^|[\t\r\n])[=+\-@]", row["name"]) is None and "'" in row["name"]


def test_an_export_is_in_the_audit_trail_without_what_was_searched_for(browser: Client, alice: Person) -> None:
    browser.post(f"{USERS}export/?q=alice@example.com&is_verified__exact=1")
    entry = AuditEntry.objects.get(kind="list_exported")
    assert entry.facts == {"list": "users", "rows": 1, "filters": "is_verified__exact, q"}
    assert (entry.actor_kind, entry.actor_name) == ("admin", "root@example.com")
    row = exported(browser, path_of(AuditEntry, "export"))[-1]
    assert json.loads(row["facts"]) == entry.facts


def test_an_export_that_is_refused_is_in_no_audit_trail(
    browser: Client, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.downloads.download_slots", Slots(total=0, per_owner=0))
    for path in (f"{USERS}export/", f"{USERS}{alice.user.pk}/export/confirm/"):
        assert browser.post(path, {"confirmed": "yes"}).status_code == 503, path
    assert not AuditEntry.objects.exists()


def test_what_exports_nothing(browser: Client, alice: Person) -> None:
    address = f"{USERS}export/"
    assert browser.get(f"{address[:-1]}?locked=yes&q=a").headers["Location"] == f"{USERS}?locked=yes&q=a"
    assert browser.post(f"{address}?locked=no").headers["Location"] == "../?e=1"
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert strict.post(address).status_code == 403
    assert Client().post(address).status_code == 403
    assert not AuditEntry.objects.exists()


@pytest.mark.slow
def test_a_list_and_its_export_end_after_10_000_rows_and_say_so(browser: Client) -> None:
    Mail.objects.bulk_create([Mail(kind=Mail.Kind.VERIFICATION, to="a@example.com") for _ in range(10_001)])
    page = opened(browser, f"{MAILS}?p=200")
    about = "about " if connection.vendor == "postgresql" else ""
    (summary,) = [text for text in texts(page, "p") if " mails, page 200 of 200" in text]
    assert re.fullmatch(rf"{about}\d\d,\d\d\d mails, page 200 of 200", summary)
    assert "The pages end after 10,000 rows. Filters and searches find the others." in texts(page, "p")
    assert "Export the first 10,000 as CSV" in page
    answer = browser.post(f"{MAILS}export/")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="mails-first-10000.csv"'
    assert b"".join(answer).count(b"\r\n") == 10_001


# --- Search ---------------------------------------------------------------------------------------------------------


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


def test_a_search_for_people_is_planned_for_what_is_searched_for(browser: Client) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("about PostgreSQL's plans")
    for _ in range(10):
        found(browser, "nobody")
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%LIKE%LIMIT%'")
        assert cursor.fetchall() == []


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
