"""What an admin does to an account on the admin site."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from accounts.audit import NO_CLIENT, Actor
from accounts.flows import administration
from accounts.flows.profiles import LastAdmin, delete_account
from accounts.models import AuditEntry, Role, Session, User
from conftest import PASSWORD, Api, Person, Together, browser_of, person

USERS = "/admin/accounts/user/"
REFUSED = escape(LastAdmin.detail)


@pytest.fixture
def browser(admin: Person) -> Client:
    """The admin's, signed in."""
    return browser_of(admin)


def change(browser: Client, user: User, **changes: Any) -> Any:
    """Sends the change form of a user as it stands but for `changes`; None unticks a box."""
    stands = {"name": user.name, "role": user.role, "is_verified": "on", "is_active": "on"}
    fields = {name: value for name, value in {**stands, **changes}.items() if value is not None}
    return browser.post(f"{USERS}{user.pk}/change/", fields, follow=True)


def delete(browser: Client, user: User) -> Any:
    return browser.post(f"{USERS}{user.pk}/delete/", {"post": "yes"}, follow=True)


def act(browser: Client, action: str, *users: User, **fields: str) -> Any:
    """Takes an action on the users of the list."""
    chosen = {"action": action, "_selected_action": [str(user.pk) for user in users]}
    return browser.post(USERS, {**chosen, **fields}, follow=True)


def test_an_admin_changes_name_role_and_flags(browser: Client, alice: Person) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_verified=False)
    change(browser, alice.user, name="Alicia", role="ADMIN")
    alice.user.refresh_from_db()
    assert (alice.user.name, alice.user.role, alice.user.is_verified) == ("Alicia", Role.ADMIN, True)
    assert alice.api.get("/users/is-admin").json() == {"is_admin": True}


@pytest.mark.parametrize("name", ["Al\x00ice", "Al\rice", "Al\x85ice", "Al\u2028ice", "\u2028", "a\u202eb"])
def test_a_name_has_no_control_characters(browser: Client, alice: Person, name: str) -> None:
    change(browser, alice.user, name=name)
    alice.user.refresh_from_db()
    assert alice.user.name == "Alice"


def test_nothing_else_is_changed(browser: Client, alice: Person) -> None:
    change(browser, alice.user, email="mallory@example.com", password="x", id=str(alice.session.pk))
    stored = User.objects.get(email="alice@example.com")
    assert (stored.pk, stored.password) == (alice.user.pk, alice.user.password)


def test_a_change_leaves_what_others_change_meanwhile(alice: Person) -> None:
    User.objects.filter(pk=alice.user.pk).update(password="new hash", name="Alice the first")
    alice.user.name = "stale"
    administration.set_role(user=alice.user, role=Role.ADMIN, by=Actor.operator())
    stored = User.objects.get(pk=alice.user.pk)
    assert (stored.password, stored.name, stored.role) == ("new hash", "Alice the first", Role.ADMIN)


def test_nobody_is_added_without_registering(browser: Client) -> None:
    assert browser.get(f"{USERS}add/").status_code == 403


def test_deactivating_ends_every_session_at_once(browser: Client, alice: Person, api: Api) -> None:
    api.post("/auth/login", alice.credentials)
    change(browser, alice.user, is_active=None)
    assert alice.api.get("/users/me").status_code == 401
    assert api.post("/auth/refresh", {"refresh_token": alice.tokens.refresh_token}).status_code == 401
    assert api.post("/auth/login", alice.credentials).status_code == 401
    ends = Session.objects.filter(user=alice.user).values_list("end", "ended_at")
    assert [(end, ended_at is not None) for end, ended_at in ends] == [(Session.End.ADMIN, True)] * 2


def test_an_account_that_is_activated_again_signs_in_anew(browser: Client, alice: Person, api: Api) -> None:
    change(browser, alice.user, is_active=None)
    change(browser, alice.user)
    assert alice.api.get("/users/me").status_code == 401
    assert api.post("/auth/login", alice.credentials).status_code == 200


def test_other_changes_end_no_session(browser: Client, alice: Person) -> None:
    change(browser, alice.user, name="Alicia", role="ADMIN")
    assert alice.api.get("/users/me").status_code == 200


def test_an_admin_opens_a_lock(browser: Client, alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {"email": alice.user.email, "password": "wrong password"})
    act(browser, "unlock", alice.user)
    assert api.post("/auth/login", alice.credentials).status_code == 200
    entry = AuditEntry.objects.get(kind=AuditEntry.Kind.LOCK_OPENED)
    assert (entry.actor_name, entry.user_id, entry.address) == ("root@example.com", alice.user.pk, "a***@example.com")


# --- Deleting -------------------------------------------------------------------------------------------------------


def test_deleting_takes_all_that_is_the_users(browser: Client, alice: Person) -> None:
    shown = browser.get(f"{USERS}{alice.user.pk}/delete/").content.decode()
    assert "Sessions: 1" in shown and "permission" not in shown
    delete(browser, alice.user)
    assert not User.objects.filter(pk=alice.user.pk).exists() and not Session.objects.filter(user=alice.user).exists()
    assert alice.api.get("/users/me").status_code == 401


def test_several_are_deleted_at_once(browser: Client, admin: Person, alice: Person, bob: Person) -> None:
    assert "Users: 2" in act(browser, "delete_selected", alice.user, bob.user).content.decode()
    act(browser, "delete_selected", alice.user, bob.user, post="yes")
    assert list(User.objects.all()) == [admin.user]


def test_the_log_keeps_no_address_of_the_deleted(browser: Client, alice: Person) -> None:
    change(browser, alice.user, name="Alicia")
    delete(browser, alice.user)
    assert [(entry.kind, entry.address, entry.user_id) for entry in AuditEntry.objects.order_by("pk")] == [
        ("account_renamed", "", alice.user.pk),
        ("account_deleted", "", alice.user.pk),
    ]


# --- The last admin -------------------------------------------------------------------------------------------------


def test_the_last_admin_is_not_demoted(browser: Client, admin: Person) -> None:
    assert REFUSED in change(browser, admin.user, role="USER").content.decode()
    assert User.objects.filter(role=Role.ADMIN, is_active=True).exists() and not AuditEntry.objects.exists()


def test_the_last_admin_is_not_deactivated(browser: Client, admin: Person) -> None:
    assert REFUSED in change(browser, admin.user, is_active=None).content.decode()
    assert admin.api.get("/users/me").status_code == 200


def test_the_last_admin_is_not_deleted(browser: Client, admin: Person) -> None:
    assert REFUSED in delete(browser, admin.user).content.decode()
    assert User.objects.filter(role=Role.ADMIN, is_active=True).exists() and not AuditEntry.objects.exists()


def test_the_last_admin_is_not_deleted_among_others(browser: Client, admin: Person, alice: Person) -> None:
    assert REFUSED in act(browser, "delete_selected", alice.user, admin.user, post="yes").content.decode()
    assert User.objects.count() == 2 and not AuditEntry.objects.exists()


def test_the_last_admin_may_be_renamed(browser: Client, admin: Person) -> None:
    change(browser, admin.user, name="Boss")
    assert User.objects.get().name == "Boss"


def test_a_deactivated_admin_does_not_count(browser: Client, admin: Person) -> None:
    person("former@example.com", role=Role.ADMIN, is_active=False)
    assert REFUSED in change(browser, admin.user, role="USER").content.decode()


def test_of_two_admins_either_may_go(browser: Client, admin: Person) -> None:
    second = person("second@example.com", role=Role.ADMIN)
    change(browser, second.user, role="USER")
    assert User.objects.filter(role=Role.ADMIN, is_active=True).get() == admin.user


def test_an_admin_who_is_not_the_last_may_delete_the_own_account(browser: Client, admin: Person) -> None:
    second = person("second@example.com", role=Role.ADMIN)
    assert "Log in" in delete(browser, admin.user).content.decode()
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
        admins = [User.objects.create_user(f"{name}@example.com", PASSWORD, role=Role.ADMIN) for name in "ab"]
        assert sorted(together(lambda number: leaves(admins[number], ways[number]), 2)) == [False, True]  # noqa: B023
        assert User.objects.filter(role=Role.ADMIN, is_active=True).count() == 1


def test_the_list_costs_the_same_for_5_and_50_users(browser: Client) -> None:
    counts = []
    for size in (5, 50):
        while User.objects.count() < size:
            User.objects.create_user(f"user{User.objects.count()}@example.com")
        with CaptureQueriesContext(connection) as queries:
            assert len(browser.get(USERS).context["cl"].result_list) == size
        counts.append(len(queries))
    assert counts[0] == counts[1]
