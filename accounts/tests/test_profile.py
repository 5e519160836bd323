"""One's own account: reading it, changing it, signing out of it, deleting it."""

import pytest
from axes.models import AccessFailureLog
from django.apps import apps
from django.core.management import call_command
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import AuditEntry, ConfirmationGuess, LoginGuard, Mail, PasswordReset, Role, User
from conftest import PASSWORD, Api, Mailbox, Person, Together, person

NEW = "another horse altogether"
CHANGE = {"old_password": PASSWORD, "new_password": NEW}


def test_it_shows_the_documented_facts_and_no_more(alice: Person) -> None:
    expected = {"id": str(alice.user.pk), "email": "alice@example.com", "name": "Alice", "role": "USER"}
    assert alice.api.get("/users/me").json() == expected


def test_it_tells_an_admin_from_a_user_by_the_database(alice: Person, admin: Person) -> None:
    assert alice.api.get("/users/is-admin").json() == {"is_admin": False}
    assert admin.api.get("/users/is-admin").json() == {"is_admin": True}
    User.objects.filter(pk=admin.user.pk).update(role=Role.USER)
    assert admin.api.get("/users/is-admin").json() == {"is_admin": False}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_it_takes_a_new_name(alice: Person, method: str) -> None:
    answer = alice.api(method, "/users/me", {"name": "  Alicia \N{SNAKE} "})
    assert answer.status_code == 200
    assert answer.json()["name"] == "Alicia \N{SNAKE}"
    assert alice.api.get("/home").json() == {"message": "Welcome, Alicia \N{SNAKE}!"}


def test_nothing_to_change_changes_nothing(alice: Person) -> None:
    before = User.objects.values().get()
    assert alice.api.put("/users/me", {}).status_code == 200
    assert User.objects.values().get() == before


def test_changing_the_password_keeps_this_session_and_ends_the_others(
    api: Api, alice: Person, mailbox: Mailbox
) -> None:
    other = api.post("/auth/login", alice.credentials).json()["access_token"]
    assert alice.api.put("/users/me", CHANGE).status_code == 200
    assert alice.api.get("/users/me").status_code == 200
    assert Api(other).get("/users/me").status_code == 401
    assert api.post("/auth/login", alice.credentials).status_code == 401
    assert api.post("/auth/login", {**alice.credentials, "password": NEW}).status_code == 200
    assert "was changed" in mailbox.text()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"new_password": NEW}, 400, "old_password_required"),
        ({"new_password": NEW, "old_password": "wrong"}, 401, "old_password_incorrect"),
        ({"new_password": "password123", "old_password": PASSWORD}, 422, "validation_error"),
        ({"new_password": "alice@example.com", "old_password": PASSWORD}, 422, "validation_error"),
    ],
)
def test_a_password_that_is_refused_changes_nothing_at_all(
    alice: Person, body: dict[str, str], status: int, code: str
) -> None:
    before = User.objects.values().get()
    answer = alice.api.put("/users/me", {**body, "name": "Mallory"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert User.objects.values().get() == before


def test_of_two_changes_at_once_one_wins(together: Together, db: None) -> None:
    for number in range(20):
        somebody = person(f"user{number}@example.com")

        def change(turn: int, somebody: Person = somebody) -> int:
            body = {"old_password": PASSWORD, "new_password": f"new password number {turn}"}
            status: int = somebody.api.put("/users/me", body).status_code
            return status

        assert sorted(together(change, 2)) == [200, 401]


def test_an_operator_s_change_of_the_password_ends_every_session(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: NEW)
    call_command("changepassword", "Alice@example.com")
    assert alice.api.get("/users/me").status_code == 401
    assert Mail.objects.filter(kind=Mail.Kind.PASSWORD_CHANGED, to=alice.user.email).count() == 1
    assert AuditEntry.objects.filter(kind=AuditEntry.Kind.PASSWORD_CHANGED, user_id=alice.user.pk).count() == 1
    assert Api().post("/auth/login", {**alice.credentials, "password": NEW}).status_code == 200


def test_verifying_the_password_says_yes_or_no(alice: Person) -> None:
    assert alice.api.post("/auth/verify-password", {"password": PASSWORD}).json() == {"ok": True}
    assert alice.api.post("/auth/verify-password", {"password": PASSWORD + " "}).json() == {"ok": False}


def test_deleting_the_account_leaves_nothing_of_it(api: Api, alice: Person, bob: Person, mailbox: Mailbox) -> None:
    attempt = {"question_id": 1, "language": "python", "submitted_code": "x", "passed_tests": 1, "total_tests": 1}
    alice.api.post("/api/v1/attempts", attempt)
    bob.api.post("/api/v1/attempts", attempt)
    api.post("/auth/login", {**alice.credentials, "password": "wrong"})
    alice.api.post("/auth/verify-password", {"password": "wrong password"})
    api.post("/auth/forgot-password", {"email": alice.user.email})
    mailbox.all()
    api.post("/auth/refresh", {"refresh_token": alice.tokens.refresh_token})
    answer = alice.api.delete("/users/me")
    assert (answer.status_code, answer.json()) == (200, {"message": "Account deleted successfully."})
    assert alice.api.get("/users/me").status_code == 401
    for model in (OutstandingToken, Mail, PasswordReset, LoginGuard, AccessFailureLog, ConfirmationGuess):
        assert not model.objects.exists(), model
    assert AuditEntry.objects.get().kind == AuditEntry.Kind.ACCOUNT_DELETED
    assert list(User.objects.all()) == [bob.user]
    for name in ("Attempt", "QuestionStatus"):
        assert apps.get_model("attempts", name).objects.count() == 1


def test_the_last_admin_stays(admin: Person) -> None:
    answer = admin.api.delete("/users/me")
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert admin.api.get("/users/me").status_code == 200


def test_an_admin_may_go_where_another_active_one_stays(admin: Person) -> None:
    other = person("second@example.com", role=Role.ADMIN, is_active=False)
    assert admin.api.delete("/users/me").status_code == 409
    User.objects.filter(pk=other.user.pk).update(is_active=True)
    assert admin.api.delete("/users/me").status_code == 200


def test_of_two_admins_leaving_at_once_one_stays(together: Together, db: None) -> None:
    for number in range(20):
        pair = [person(f"admin{number}.{turn}@example.com", role=Role.ADMIN) for turn in range(2)]
        statuses = together(lambda turn, pair=pair: pair[turn].api.delete("/users/me").status_code, 2)
        assert sorted(statuses) == [200, 409]
        User.objects.all().delete()


def test_a_new_password_is_judged_by_the_name_that_comes_with_it(alice: Person) -> None:
    body = {"name": "Zebediah Quux", "new_password": "zebediah quux", "old_password": PASSWORD}
    answer = alice.api.put("/users/me", body)
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "password_too_similar")
    assert alice.api.get("/users/me").json()["name"] == "Alice"
