"""The lists of the admin site."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from axes.models import AccessFailureLog
from django.contrib import admin as django_admin
from django.test import Client
from django.utils import timezone

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.models import AuditEntry, Mail, Role, Session, User
from attempts.models import Attempt, QuestionStatus
from conftest import Api, Person
from core import client
from core.models import Event
from peerprep_users.tests.admin_lists import MAILS, MODELS, USERS, opened, path_of, texts

DEVICE = client.Client(ip="192.0.2.7", user_agent="curl/8")


def lock(someone: Person) -> None:
    for _ in range(3):
        Api().post("/auth/login", {**someone.credentials, "password": "wrong password"})


# --- Names ----------------------------------------------------------------------------------------------------------


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


def test_choosing_days_keeps_what_else_a_list_is_narrowed_to_and_begins_at_its_first_page(
    browser: Client, alice: Person
) -> None:
    for path, narrowed in (
        (f"{MAILS}?", {"outcome": "dead", "to": "alice@example.com"}),
        (f"{USERS}?created_at_from=2026-01-01", {"locked": "yes", "q": "ali", "o": "-1"}),
        (f"{path_of(AccessFailureLog)}?", {"user_agent": ""}),
        (f"{path_of(Attempt)}?", {"user__id__exact": str(alice.user.pk), "language": "python", "solved__exact": "1"}),
    ):
        page = opened(browser, f"{path}&{urlencode(narrowed)}&p=1")
        form = page.partition("<form>")[2].partition("</form>")[0]
        assert dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)) == narrowed


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


def test_who_has_no_password_cannot_sign_in(browser: Client, alice: Person) -> None:
    assert "can sign in" in texts(opened(browser, f"{USERS}?q=alice"), "td")
    alice.user.set_unusable_password()
    alice.user.save()
    assert "no password" in texts(opened(browser, f"{USERS}?q=alice"), "td")


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


def test_the_trail_of_a_deleted_user_is_led_to(browser: Client, alice: Person) -> None:
    trail = f"{path_of(AuditEntry)}?user_id={alice.user.pk}"
    browser.post(f"{USERS}{alice.user.pk}/delete/confirm/", {"confirmed": "yes", "reason": "spam"})
    assert f'href="{trail}">a deleted user</a>' in opened(browser, path_of(AuditEntry))
    assert texts(opened(browser, trail), "h1") == ["Audit trail of a deleted user"]


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
    assert "The role was changed from Admin to User." in page and "from: Admin<br>to: User" in page


def test_a_list_says_how_many_rows_there_are_and_on_which_page_one_is(browser: Client, admin: Person) -> None:
    assert "1 user" in texts(opened(browser, USERS), "p")
    User.objects.bulk_create(User(email=f"user{number}@example.com", name="x") for number in range(101))
    page = opened(browser, f"{USERS}?p=2")
    assert "102 users, page 2 of 3" in texts(page, "p")
    links = re.findall(r'<a class="text-link" href="([^"]*)" aria-label="Page (\d)"', page)
    assert links == [("?p=1", "1"), ("?p=3", "3")]
    assert "102 users, page 3 of 3" in texts(opened(browser, f"{USERS}?p=9"), "p")


CONFIRMED = {"confirmed": "yes", "reason": "a lost phone"}


def test_an_action_leads_back_to_the_list_it_was_chosen_in(browser: Client, alice: Person) -> None:
    sessions, end = f"{path_of(Session)}?live=yes", f"{path_of(Session)}{alice.session.pk}/end/confirm/"
    asked = browser.get(end, headers={"Referer": f"http://testserver{sessions}"})
    assert asked.context["cancel_url"] == sessions
    fields = dict(re.findall(r'name="(opened_from)" value="([^"]*)"', asked.content.decode()))
    assert browser.post(end, {**CONFIRMED, **fields}).headers["Location"] == sessions
    page = path_of(User, "change", alice.user.pk)
    for elsewhere in ("", f"http://testserver{page}", "https://evil.example/?live=yes", f"{path_of(Session)}x/y/"):
        assert browser.get(end, headers={"Referer": elsewhere}, follow=True).redirect_chain == [(page, 302)]
    assert browser.get(end, headers={"Referer": path_of(Session)}).headers["Location"] == path_of(Session)

    dead, code = f"{MAILS}?outcome=dead", f"{page.removesuffix('change/')}send_reset_code/confirm/"
    assert browser.get(code, headers={"Referer": f"http://testserver{dead}"}).context["cancel_url"] == dead

    users, chosen = f"{USERS}?is_verified__exact=1", {"action": "deactivate", "_selected_action": str(alice.user.pk)}
    assert browser.post(users, chosen).context["cancel_url"] == users
    assert browser.post(users, {**chosen, **CONFIRMED}).headers["Location"] == users


def test_numbers_have_separators(browser: Client, alice: Person) -> None:
    Attempt.objects.create(
        user=alice.user, question_id=12345, language="c", passed_tests=0, total_tests=1, runtime_ms=1234567
    )
    cells = texts(opened(browser, path_of(Attempt)), "td")
    assert "1,234,567" in cells and "12345" not in cells  # the id of a question, in the first cell, is no number
