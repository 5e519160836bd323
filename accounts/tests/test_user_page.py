"""The admin site's page of one user: what happened, and what can be done about it there."""

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from axes.models import AccessFailureLog
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.admin.base import changelist_url, row_url
from accounts.audit.log import NO_CLIENT, Actor, Kind
from accounts.flows import administration
from accounts.flows.profile import LastAdmin
from accounts.flows.timeline import EVENTS, MOST_FAILURES, OF_ENTRIES, timeline_of
from accounts.mail.queue import enqueue
from accounts.models import AuditEntry, Mail, Role, Session, User
from conftest import PASSWORD, Api, Mailbox, Person, person
from core.times import moment

CONFIRMED = {"confirmed": "yes", "reason": "stolen phone"}


def page_of(browser: Client, someone: Person) -> str:
    return unescape(browser.get(f"/admin/accounts/user/{someone.user.pk}/change/").content.decode())


def confirm_url(someone: Person, action: str) -> str:
    return f"/admin/accounts/user/{someone.user.pk}/{action}/confirm/"


def messages_of(answer: Any) -> list[str]:
    return [message.message for message in answer.context["messages"]]


# --- The timeline ---------------------------------------------------------------------------------------------------


def test_the_timeline_tells_what_happened_in_sentences(
    browser: Client, admin: Person, alice: Person, mailbox: Mailbox
) -> None:
    by = Actor.admin(admin.user, NO_CLIENT)
    administration.set_role(user=alice.user, role=Role.ADMIN, by=by)
    administration.set_role(user=alice.user, role=Role.USER, by=by, reason="the course is over")
    for _ in range(3):
        Api(**{"User-Agent": "curl/8"}).post("/auth/login", {**alice.credentials, "password": "wrong password"})
    mailbox.all()
    alice.api.post("/auth/logout")
    told = [(event.sentence, event.note) for event in timeline_of(alice.user)]
    first = AccessFailureLog.objects.earliest("attempt_time")
    assert told == [
        ("Signed out.", ""),
        ("The mail “Your account is temporarily locked” was sent.", ""),
        ("The account was locked after too many wrong passwords.", "curl, 127.0.0.1"),
        ("A wrong password was given.", f"curl, 127.0.0.1, 3 times since {moment(first.attempt_time)}"),
        ("The role was changed from Admin to User.", "by admin root@example.com, the course is over"),
        ("The role was changed from User to Admin.", "by admin root@example.com"),
        ("Signed in.", "pytest, 192.0.2.1"),
        ("The account was created.", ""),
    ]
    page = page_of(browser, alice)
    assert all(sentence in page and note in page for sentence, note in told)
    for event in timeline_of(alice.user):
        assert event.row is None or (row_url(event.row) in page and browser.get(row_url(event.row)).status_code == 200)


def test_a_session_that_its_owner_ended_is_told_as_that(browser: Client, alice: Person, api: Api) -> None:
    other = api.post("/auth/login", alice.credentials).json()
    for session_id in Session.objects.filter(user=alice.user).values_list("pk", flat=True).order_by("created_at"):
        Api(other["access_token"]).delete(f"/auth/sessions/{session_id}")  # the last one is the one that asks
    assert [event.sentence for event in timeline_of(alice.user)][:2] == ["Ended one session."] * 2
    assert browser.get("/admin/accounts/session/").content.decode().count("ended by the user") == 2


def test_there_is_a_sentence_for_every_kind_of_entry() -> None:
    assert set(Kind.values) == set(OF_ENTRIES)


def test_its_newest_events_are_shown_at_a_constant_cost(browser: Client, alice: Person) -> None:
    now, costs = timezone.now(), []
    page_of(browser, alice)
    for size in (1, EVENTS):
        for number in range(size):
            at = now + timedelta(seconds=number)
            Mail.objects.create(kind="new_device", to=alice.user.email, created_at=at)
            Session.objects.create(user=alice.user, created_at=at, expires_at=at + timedelta(1))
        with CaptureQueriesContext(connection) as queries:
            page_of(browser, alice)
        costs.append(len(queries))
    assert costs[0] == costs[1]
    times = [event.at for event in timeline_of(alice.user)]
    assert len(times) == EVENTS and times == sorted(times, reverse=True)
    assert times[0] == now + timedelta(seconds=EVENTS - 1) and times[-1] == now + timedelta(seconds=EVENTS // 2)


def test_an_attack_hides_nothing_else_that_happened(browser: Client, alice: Person) -> None:
    enqueue(Mail.Kind.RESET_CODE, alice.user.email, {})
    AccessFailureLog.objects.bulk_create(
        AccessFailureLog(username=alice.user.email, ip_address=ip, user_agent="", http_accept="", path_info="")
        for ip in ["192.0.2.8", "192.0.2.7"] * EVENTS
    )
    kinds = [event.kind for event in timeline_of(alice.user)]
    assert kinds == ["wrong_password", "mail_queued", "signed_in", "account_created"]
    page = page_of(browser, alice)
    assert f"2 devices, {2 * EVENTS} times since 20" in page and page.count("A wrong password was given.") == 1
    assert page.count(f'"{changelist_url("axes_accessfailurelog", username=alice.user.email)}"') == 2


def test_nothing_is_told_of_before_the_oldest_failure_that_is_read(alice: Person) -> None:
    failures = [
        AccessFailureLog(username=alice.user.email, user_agent="", http_accept="", path_info="")
        for _ in range(MOST_FAILURES)
    ]
    AccessFailureLog.objects.bulk_create(failures[1:])
    assert [event.kind for event in timeline_of(alice.user)] == ["wrong_password", "signed_in", "account_created"]
    AccessFailureLog.objects.bulk_create(failures[:1])
    assert [event.kind for event in timeline_of(alice.user)] == ["wrong_password"]


def test_what_cannot_be_ended_is_not_offered(browser: Client, alice: Person) -> None:
    assert "End all sessions" in page_of(browser, alice)
    alice.api.post("/auth/logout")
    assert "End all sessions" not in page_of(browser, alice)
    answer = browser.get(confirm_url(alice, "end_sessions"), follow=True)
    assert messages_of(answer) == ["alice@example.com has no live session."]


# --- One session ----------------------------------------------------------------------------------------------------


def test_admins_are_told_which_session_is_the_one_they_use(browser: Client, admin: Person, alice: Person) -> None:
    assert Session.objects.live().filter(user=admin.user).count() == 2
    assert page_of(browser, admin).count("you are using it now") == 1
    assert "you are using it now" not in page_of(browser, alice)


def test_a_session_without_an_ip_address_is_told_without_a_gap(browser: Client, alice: Person) -> None:
    assert "192.0.2.1, last used 20" in page_of(browser, alice)
    Session.objects.filter(pk=alice.session.pk).update(ip=None)
    page = page_of(browser, alice)
    assert "Last used 20" in page and ", last used" not in page


def test_one_session_is_ended_and_the_others_live(browser: Client, admin: Person, alice: Person, api: Api) -> None:
    other = Api(api.post("/auth/login", alice.credentials).json()["access_token"])
    url = f"/admin/accounts/session/{alice.session.pk}/end/confirm/"
    for page in (f"user/{alice.user.pk}/change", f"session/{alice.session.pk}/change", "session"):
        assert url in browser.get(f"/admin/accounts/{page}/").content.decode()
    asked = browser.get(url).content.decode()
    assert "End a session of alice@example.com" in asked
    assert "pytest, 192.0.2.1, last used 20" in asked and f"session {alice.session.pk}" not in asked
    assert "This field is required" in browser.post(url, {"confirmed": "yes"}).content.decode()
    assert alice.api.get("/users/me").status_code == 200
    answer = browser.post(url, CONFIRMED, follow=True)
    assert messages_of(answer) == ["Session ended: alice@example.com."]
    assert (alice.api.get("/users/me").status_code, other.get("/users/me").status_code) == (401, 200)
    entry = AuditEntry.objects.get()
    assert (entry.kind, entry.user_id, entry.actor_id) == ("sessions_ended", alice.user.pk, admin.user.pk)
    assert (entry.reason, entry.facts) == ("stolen phone", {"sessions": 1})
    assert messages_of(browser.post(url, CONFIRMED, follow=True)) == [
        "alice@example.com: the session has ended already."
    ]
    assert AuditEntry.objects.count() == 1


# --- One mail -------------------------------------------------------------------------------------------------------


def dead(someone: Person, kind: Mail.Kind, **facts: Any) -> Mail:
    return Mail.objects.create(kind=kind, to=someone.user.email, state="dead", **facts)


def test_a_dead_mail_is_sent_again(browser: Client, alice: Person, mailbox: Mailbox) -> None:
    url = f"/admin/accounts/mail/{dead(alice, Mail.Kind.NEW_DEVICE).pk}/resend/confirm/"
    for page in (f"user/{alice.user.pk}/change", f"mail/{Mail.objects.get().pk}/change", "mail"):
        assert url in browser.get(f"/admin/accounts/{page}/").content.decode()
    assert "Send mail to alice@example.com again" in browser.get(url).content.decode()
    answer = browser.post(url, CONFIRMED, follow=True)
    assert messages_of(answer) == ["Queued again: alice@example.com."]
    assert answer.redirect_chain[-1][0] == f"/admin/accounts/user/{alice.user.pk}/change/"
    assert mailbox.last()["To"] == "alice@example.com"
    assert AuditEntry.objects.get().kind == "mail_resent"
    assert "is not dead" in messages_of(browser.post(url, CONFIRMED, follow=True))[0]


@pytest.mark.parametrize(
    ("kind", "age", "is_active"),
    [
        (Mail.Kind.VERIFICATION, timedelta(hours=1), True),
        (Mail.Kind.RESET_CODE, timedelta(hours=1), True),
        (Mail.Kind.RESET_CODE, timedelta(minutes=1), False),
    ],
    ids=["verified", "expired", "deactivated"],
)
def test_a_dead_mail_that_is_needed_no_more_is_not_sent_again(
    browser: Client, alice: Person, kind: Mail.Kind, age: timedelta, is_active: bool
) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_active=is_active)
    mail = dead(alice, kind, created_at=timezone.now() - age)
    url = f"/admin/accounts/mail/{mail.pk}/resend/confirm/"
    for page in (f"user/{alice.user.pk}/change", f"mail/{mail.pk}/change", "mail"):
        assert url not in browser.get(f"/admin/accounts/{page}/").content.decode()
    for answer in (
        browser.post(url, CONFIRMED, follow=True),
        browser.post(
            "/admin/accounts/mail/", {"action": "resend", "_selected_action": [mail.pk], **CONFIRMED}, follow=True
        ),
    ):
        assert "there is no more need of" in messages_of(answer)[0]
    assert Mail.objects.get().state == "dead"


def test_why_a_mail_could_not_be_delivered_is_told_in_sentences(browser: Client, unverified: Person) -> None:
    dead(
        unverified,
        Mail.Kind.VERIFICATION,
        error="An earlier failure\n2026-11-27 15:46:17 UTC 550 No such mailbox",
        sent_at=None,
    )
    told = [event.note for event in timeline_of(unverified.user)]
    assert "550 No such mailbox." in told
    assert "could not be delivered: 550 No such mailbox." in page_of(browser, unverified)
    assert "550 No such mailbox." in browser.get("/admin/accounts/mail/").content.decode()
    Mail.objects.update(state="sent")
    assert "550 No such mailbox." not in [event.note for event in timeline_of(unverified.user)]


def test_a_link_or_code_that_came_to_nothing_leads_to_a_new_one(browser: Client, unverified: Person) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    dead(unverified, Mail.Kind.RESET_CODE, created_at=long_ago)
    assert page_of(browser, unverified).count("Send again") == 1
    assert page_of(browser, unverified).count(confirm_url(unverified, "send_reset_code")) == 2
    enqueue(Mail.Kind.VERIFICATION, unverified.user.email, {})
    assert page_of(browser, unverified).count("Send again") == 1  # it is still waiting
    Mail.objects.filter(kind=Mail.Kind.VERIFICATION).update(state="sent")
    assert page_of(browser, unverified).count("Send again") == 2
    Mail.objects.update(kind=Mail.Kind.NEW_DEVICE, state="sent")
    assert "Send again" not in page_of(browser, unverified)


# --- Pages that ask -------------------------------------------------------------------------------------------------


def test_they_name_whom_and_how_much_goes(browser: Client, alice: Person, bob: Person, api: Api) -> None:
    api.post("/auth/login", alice.credentials)
    now = timezone.now()
    Session.objects.create(user=alice.user, ended_at=now, end_reason="revoked", expires_at=now + timedelta(1))
    asked = {
        action: browser.get(confirm_url(alice, action)).context["title"]
        for action in ("delete", "deactivate", "end_sessions", "send_reset_code")
    }
    assert asked == {
        "delete": "Delete alice@example.com: 0 attempts and 3 sessions go",
        "deactivate": "Deactivate alice@example.com: 2 live sessions go",
        "end_sessions": "End all sessions of alice@example.com: 2 live sessions go",
        "send_reset_code": "Send alice@example.com a reset code",
    }
    assert asked["delete"] in browser.get(confirm_url(alice, "delete")).content.decode()
    chosen = {"action": "deactivate", "_selected_action": [str(alice.user.pk), str(bob.user.pk)]}
    page = browser.post("/admin/accounts/user/", chosen).content.decode()
    assert "Deactivate 2 users: 3 live sessions go" in page and "bob@example.com" in page


@pytest.mark.parametrize("action", ["revoke_admin", "deactivate", "delete"])
def test_they_refuse_the_last_admin_before_they_ask(browser: Client, admin: Person, action: str) -> None:
    answer = browser.get(confirm_url(admin, action), follow=True)
    assert messages_of(answer) == [f"root@example.com: {LastAdmin.detail}"]
    assert 'name="reason"' not in answer.content.decode()
    person("second@example.com", role=Role.ADMIN)
    assert 'name="reason"' in browser.get(confirm_url(admin, action)).content.decode()


def test_they_ask_for_nothing_that_is_done_already(browser: Client, alice: Person) -> None:
    for action, why in (("reactivate", "not deactivated"), ("resend_verification", "already verified, or deactivated")):
        answer = browser.get(confirm_url(alice, action), follow=True)
        assert messages_of(answer) == [f"alice@example.com is {why}."]


# --- The audit trail ------------------------------------------------------------------------------------------------


def test_the_trail_shows_whole_addresses_while_the_account_is_there(
    browser: Client, admin: Person, alice: Person
) -> None:
    by = Actor.admin(admin.user, NO_CLIENT)
    administration.rename(user=alice.user, name="Alicia", by=Actor.user(alice.user, NO_CLIENT))
    entry = AuditEntry.objects.get()
    pages = [f"/admin/accounts/auditentry/?user_id={alice.user.pk}", f"/admin/accounts/auditentry/{entry.pk}/change/"]
    contents = [browser.get(page).content.decode() for page in pages]
    rows = contents[0].partition('id="result_list"')[2]
    assert [content.count("alice@example.com") for content in (rows, contents[1])] == [2, 2]
    administration.delete(user=alice.user, by=by, reason="spam")
    assert not any("alice@" in browser.get(page).content.decode() for page in pages)


def test_others_than_admins_end_no_session_and_send_no_mail(alice: Person, bob: Person) -> None:
    mail = dead(bob, Mail.Kind.NEW_DEVICE)
    for path in (f"session/{bob.session.pk}/end", f"mail/{mail.pk}/resend", "user/add"):
        suffix = "/confirm/" if path != "user/add" else "/"
        answer = Client().post(f"/admin/accounts/{path}{suffix}", {**CONFIRMED, "email": "x@example.com"})
        assert answer.status_code == 403
    assert bob.api.get("/users/me").status_code == 200 and Mail.objects.get().state == "dead"
    assert Api().post("/auth/login", {"email": "x@example.com", "password": PASSWORD}).status_code == 401
