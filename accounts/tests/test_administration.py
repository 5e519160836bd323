"""What an admin does to an account on the admin site."""

import json
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from accounts.admin.actions import ACTIONS
from accounts.audit.log import NO_CLIENT, Actor
from accounts.flows import administration
from accounts.flows.profile import LastAdmin, delete_account
from accounts.models import AuditEntry, Mail, Role, Session, User
from conftest import PASSWORD, Api, Person, Together, browser_of, person

pytestmark = pytest.mark.slow  # tours of the admin site's pages

USERS = "/admin/accounts/user/"
REFUSED = escape(LastAdmin.detail)

BY_NAME = {action.name: action for action in ACTIONS}


def rename(browser: Client, user: User, name: str, **fields: str) -> Any:
    return browser.post(f"{USERS}{user.pk}/change/", {"name": name, **fields}, follow=True)


def do(browser: Client, action: str, user: User, reason: str = "asked for by mail") -> Any:
    """Presses the button of an action on the user's page, and confirms it."""
    fields = {"confirmed": "yes", "reason": reason}
    return browser.post(f"{USERS}{user.pk}/{action}/confirm/", fields, follow=True)


def do_to_many(browser: Client, action: str, *users: User, **fields: str) -> Any:
    """Takes an action on the users of the list; `confirmed` with the page that asks."""
    chosen = {"action": action, "_selected_action": [str(user.pk) for user in users]}
    return browser.post(USERS, {**chosen, **fields}, follow=True)


def test_the_form_changes_the_name_alone(browser: Client, alice: Person) -> None:
    fields = {"role": "ADMIN", "is_active": "", "email": "mallory@example.com", "password": "x"}
    answer = rename(browser, alice.user, "Alicia", **fields)
    assert answer.redirect_chain == [(f"{USERS}{alice.user.pk}/change/", 302)]
    stored = User.objects.get(pk=alice.user.pk)
    assert (stored.name, stored.role, stored.is_active, stored.email) == ("Alicia", "USER", True, "alice@example.com")
    assert stored.password == alice.user.password


@pytest.mark.parametrize("name", ["Al\x00ice", "Al\rice", "Al\x85ice", "Al\u2028ice", "\u2028", "a\u202eb", "\u3164"])
def test_a_name_has_no_control_characters(browser: Client, alice: Person, name: str) -> None:
    rename(browser, alice.user, name)
    alice.user.refresh_from_db()
    assert alice.user.name == "Alice"


def do_from_the_list(browser: Client, action: str, user: User) -> Any:
    return do_to_many(browser, action, user, confirmed="yes", reason="asked for by mail")


def ask(browser: Client, action: str, user: User) -> Any:
    return browser.get(f"{USERS}{user.pk}/{action}/confirm/")


BUTTON_OR_LIST = pytest.mark.parametrize(
    ("asks", "does"), [(ask, do), (do_to_many, do_from_the_list)], ids=["button", "list"]
)
# Of each action, the facts of a user to whom it applies, and the kind of its entry.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "unlock": ({}, "lock_opened"),
    "resend_verification": ({"is_verified": False}, "verification_resent"),
    "verify_address": ({"is_verified": False}, "address_verified"),
    "grant_admin": ({}, "role_changed"),
    "revoke_admin": ({"role": Role.ADMIN}, "role_changed"),
    "deactivate": ({}, "account_deactivated"),
    "reactivate": ({"is_active": False}, "account_reactivated"),
    "send_reset_code": ({}, "reset_code_sent"),
    "end_sessions": ({}, "sessions_ended"),
    "delete": ({}, "account_deleted"),
}


@BUTTON_OR_LIST
@pytest.mark.parametrize("action", CASES)
def test_each_action_asks_first_and_is_recorded(
    browser: Client, admin: Person, api: Api, action: str, asks: Any, does: Any
) -> None:
    facts, kind = CASES[action]
    user = person("una@example.com", **facts).user
    if action == "unlock":
        for _ in range(3):
            api.post("/auth/login", {"email": user.email, "password": "wrong password"})
    assert f"/{action}/confirm/" in browser.get(f"{USERS}{user.pk}/change/").content.decode()
    asked = asks(browser, action, user).content.decode()
    assert user.email in asked and 'name="reason"' in asked and BY_NAME[action].effect in unescape(asked)
    assert not AuditEntry.objects.filter(actor_id=admin.user.pk).exists()
    answer = does(browser, action, user)
    assert [message.message for message in answer.context["messages"]] == [f"{BY_NAME[action].done}: {user.email}."]
    entry = AuditEntry.objects.get(actor_id=admin.user.pk)
    assert (entry.kind, entry.user_id, entry.reason) == (kind, user.pk, "asked for by mail")
    assert (entry.actor_name, entry.ip) == ("root@example.com", "127.0.0.1")


def test_every_action_is_tried() -> None:
    assert set(CASES) == set(BY_NAME)


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("verify_address", {"is_verified": False}, (True, True, Role.USER)),
        ("grant_admin", {}, (True, True, Role.ADMIN)),
        ("revoke_admin", {"role": Role.ADMIN}, (True, True, Role.USER)),
        ("deactivate", {}, (True, False, Role.USER)),
        ("reactivate", {"is_active": False}, (True, True, Role.USER)),
    ],
)
def test_what_an_action_does(browser: Client, action: str, before: dict[str, Any], after: Any) -> None:
    user = person("una@example.com", **before).user
    do(browser, action, user)
    user.refresh_from_db()
    assert (user.is_verified, user.is_active, user.role) == after


def everything_with(client: Client, user: User) -> list[int]:
    """Tries each action by button and from the list. The statuses of the answers."""
    mail = {"action": "resend", "confirmed": "yes", "_selected_action": [str(Mail.objects.get().pk)]}
    answers = [client.post("/admin/accounts/mail/", mail)]
    for action in BY_NAME:
        fields = {"confirmed": "yes", "reason": "x"}
        answers.append(client.post(f"{USERS}{user.pk}/{action}/confirm/", fields))
        answers.append(client.post(USERS, {**fields, "action": action, "_selected_action": [str(user.pk)]}))
    return [answer.status_code for answer in answers]


def test_only_admins_act_and_reading_changes_nothing(admin: Person, alice: Person) -> None:
    dead = Mail.objects.create(kind=Mail.Kind.VERIFICATION, to=alice.user.email, state="dead")
    before = User.objects.filter(pk=alice.user.pk).values().get()
    strict, ended, demoted = Client(enforce_csrf_checks=True), browser_of(admin), person("ex@example.com", role="ADMIN")
    strict.cookies = browser_of(admin).cookies
    former = browser_of(demoted)
    for action in BY_NAME:
        sure = "confirmed=yes&reason=x"
        assert strict.get(f"{USERS}{alice.user.pk}/{action}/confirm/?{sure}").status_code in {200, 302}
        strict.get(f"{USERS}?action={action}&_selected_action={alice.user.pk}&{sure}")
    assert set(everything_with(strict, alice.user)) == {403}

    User.objects.filter(pk=demoted.user.pk).update(role=Role.USER)
    Session.objects.filter(user=admin.user).update(ended_at=timezone.now(), end_reason=Session.EndReason.REVOKED)
    for client, status in ((Client(), 403), (former, 302), (ended, 403)):
        assert set(everything_with(client, alice.user)) == {status}
        assert client.get(f"{USERS}{alice.user.pk}/delete/confirm/").headers["Location"].startswith("/admin/login/")
    dead.refresh_from_db()
    assert dead.state == "dead" and not AuditEntry.objects.exists()
    assert User.objects.filter(pk=alice.user.pk).values().get() == before
    assert alice.api.get("/users/me").status_code == 200


def test_what_takes_something_away_needs_a_reason(browser: Client, alice: Person) -> None:
    for action in ("end_sessions", "deactivate", "delete"):
        assert "This field is required" in do(browser, action, alice.user, reason=" ").content.decode()
        assert alice.api.get("/users/me").status_code == 200
    assert not AuditEntry.objects.exists()


def test_only_actions_that_apply_are_shown(browser: Client, admin: Person) -> None:
    page = browser.get(f"{USERS}{admin.user.pk}/change/").content.decode()
    for action in ("verify_address", "resend_verification", "unlock", "reactivate", "grant_admin"):
        assert f"/{action}/confirm/" not in page


def test_an_account_is_exported_as_its_owner_would_export_it(browser: Client, alice: Person) -> None:
    answer = do(browser, "export", alice.user)
    content = json.loads(b"".join(answer.streaming_content))
    assert content["profile"]["email"] == "alice@example.com" and "attempts" in content
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert AuditEntry.objects.get().kind == "account_exported"


def test_the_page_of_a_user_says_why_they_cannot_sign_in(browser: Client, unverified: Person) -> None:
    page = browser.get(f"{USERS}{unverified.user.pk}/change/").content.decode()
    assert "una@example.com cannot sign in." in page and "The address is not verified." in page


def test_an_unknown_action_or_user_is_not_found(browser: Client, alice: Person) -> None:
    for path in (f"{alice.user.pk}/explode/confirm/", f"{alice.session.pk}/delete/confirm/"):
        assert browser.get(USERS + path).json()["code"] == "not_found"


def test_deactivating_ends_every_session_at_once(browser: Client, alice: Person, api: Api) -> None:
    api.post("/auth/login", alice.credentials)
    do(browser, "deactivate", alice.user)
    assert alice.api.get("/users/me").status_code == 401
    assert api.post("/auth/refresh", {"refresh_token": alice.tokens.refresh_token}).status_code == 401
    assert api.post("/auth/login", alice.credentials).status_code == 401
    ends = Session.objects.filter(user=alice.user).values_list("end_reason", "ended_at")
    assert [(end, ended_at is not None) for end, ended_at in ends] == [(Session.EndReason.ADMIN, True)] * 2


def test_a_reactivated_account_signs_in_again(browser: Client, alice: Person, api: Api) -> None:
    do(browser, "deactivate", alice.user)
    do(browser, "reactivate", alice.user)
    assert alice.api.get("/users/me").status_code == 401
    assert api.post("/auth/login", alice.credentials).status_code == 200


def test_other_changes_end_no_session(browser: Client, alice: Person) -> None:
    rename(browser, alice.user, "Alicia")
    do(browser, "grant_admin", alice.user)
    assert alice.api.get("/users/me").status_code == 200


def test_an_admin_opens_a_lock(browser: Client, alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {"email": alice.user.email, "password": "wrong password"})
    do(browser, "unlock", alice.user)
    assert api.post("/auth/login", alice.credentials).status_code == 200
    entry = AuditEntry.objects.get(kind=AuditEntry.Kind.LOCK_OPENED)
    assert (entry.actor_name, entry.user_id, entry.address) == ("root@example.com", alice.user.pk, "a***@example.com")


# --- Deleting -------------------------------------------------------------------------------------------------------


def test_deleting_takes_all_that_is_the_users(browser: Client, alice: Person) -> None:
    do(browser, "delete", alice.user)
    assert not User.objects.filter(pk=alice.user.pk).exists() and not Session.objects.filter(user=alice.user).exists()
    assert alice.api.get("/users/me").status_code == 401


def test_several_are_deleted_at_once(browser: Client, admin: Person, alice: Person, bob: Person) -> None:
    asked = do_to_many(browser, "delete", alice.user, bob.user).content.decode()
    assert "alice@example.com" in asked and User.objects.count() == 3
    do_to_many(browser, "delete", alice.user, bob.user, confirmed="yes", reason="spam")
    assert list(User.objects.all()) == [admin.user]
    assert [entry.reason for entry in AuditEntry.objects.filter(kind="account_deleted")] == ["spam"] * 2


# --- The last admin -------------------------------------------------------------------------------------------------


@BUTTON_OR_LIST
@pytest.mark.parametrize("action", ["revoke_admin", "deactivate", "delete"])
def test_the_last_admin_stays(browser: Client, admin: Person, action: str, asks: Any, does: Any) -> None:
    assert REFUSED in does(browser, action, admin.user).content.decode()
    assert User.objects.filter(role=Role.ADMIN, is_active=True).exists() and not AuditEntry.objects.exists()
    assert admin.api.get("/users/me").status_code == 200


def test_of_many_only_those_who_are_refused_are_left(browser: Client, admin: Person, alice: Person) -> None:
    answer = do_to_many(browser, "delete", alice.user, admin.user, confirmed="yes", reason="spam")
    assert REFUSED in answer.content.decode() and "Deleted: alice@example.com" in answer.content.decode()
    assert User.objects.get() == admin.user


def test_all_admins_at_once_are_refused_before_it_is_asked(browser: Client, admin: Person, alice: Person) -> None:
    second = person("second@example.com", role=Role.ADMIN)
    answer = do_to_many(browser, "delete", admin.user, second.user, alice.user)
    page = answer.content.decode()
    assert "These are the last admins who can sign in. Leave one out." in page and 'name="reason"' not in page


def test_the_last_admin_may_be_renamed(browser: Client, admin: Person) -> None:
    rename(browser, admin.user, "Boss")
    assert User.objects.get().name == "Boss"


def test_an_admin_who_cannot_sign_in_does_not_count(browser: Client, admin: Person) -> None:
    person("former@example.com", role=Role.ADMIN, is_active=False)
    administration.invite(email="invited@example.com", name="", by=Actor.operator())
    User.objects.filter(email="invited@example.com").update(role=Role.ADMIN, is_verified=True)
    assert REFUSED in do(browser, "revoke_admin", admin.user).content.decode()


def test_of_two_admins_either_may_go(browser: Client, admin: Person) -> None:
    second = person("second@example.com", role=Role.ADMIN)
    do(browser, "revoke_admin", second.user)
    assert User.objects.filter(role=Role.ADMIN, is_active=True).get() == admin.user


def test_an_admin_who_is_not_the_last_may_delete_the_own_account(browser: Client, admin: Person) -> None:
    second = person("second@example.com", role=Role.ADMIN)
    assert "Log in" in do(browser, "delete", admin.user).content.decode()
    assert User.objects.get() == second.user


def demote(user: User) -> None:
    administration.set_role(user=user, role=Role.USER, by=Actor.operator(), reason="left")


def deactivate(user: User) -> None:
    administration.deactivate(user=user, by=Actor.operator(), reason="left")


WAYS = {0: demote, 1: lambda user: delete_account(user=user, client=NO_CLIENT), 2: deactivate}


def leaves(user: User, way: int) -> bool:
    """Whether the user could be demoted or deleted."""
    try:
        WAYS[way](user)
    except LastAdmin:
        return False
    return True


@pytest.mark.parametrize("ways", [(0, 0), (0, 1), (2, 1)], ids=["both demoted", "one deleted", "one deactivated"])
def test_of_two_admins_who_go_at_once_one_stays(together: Together, ways: tuple[int, int]) -> None:
    for _ in range(20):
        User.objects.all().delete()
        admins = [User.objects.create_superuser(f"{name}@example.com", PASSWORD) for name in "ab"]
        assert sorted(together(lambda number: leaves(admins[number], ways[number]), 2)) == [False, True]  # noqa: B023
        assert User.objects.filter(role=Role.ADMIN, is_active=True).count() == 1


def test_the_list_costs_the_same_for_10_and_50_users(browser: Client) -> None:
    counts = []
    browser.get(USERS)
    for size in (10, 50):
        while User.objects.count() < size:
            User.objects.create_user(f"user{User.objects.count()}@example.com")
        with CaptureQueriesContext(connection) as queries:
            assert len(browser.get(USERS).context["cl"].result_list) == size
        counts.append(len(queries))
    assert counts[0] == counts[1]
