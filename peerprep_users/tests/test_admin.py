"""The admin site: signing in, and every page of it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessFailureLog, AccessLog
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.flows.confirmation import TooManyConfirmations
from accounts.login_guard import AccountLocked
from accounts.mail.queue import deliver_due
from accounts.models import AuditEntry, Mail, PasswordReset, Role, Session, User
from conftest import PASSWORD, Api, Person, Together, new_browser, person

LOGIN = "/admin/login/"
USERS = "/admin/accounts/user/"
MODELS = list(django_admin.site._registry)
NEW_PASSWORD = "a better horse battery"
LOCKED = escape(AccountLocked.detail)


def sign_in(email: str, password: str = PASSWORD, client: Client | None = None) -> Any:
    return (client or new_browser()).post(LOGIN, {"username": email, "password": password, "next": "/admin/"})


def lock(email: str) -> None:
    for _ in range(3):
        sign_in(email, "wrong password")


# --- Signing in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["root@example.com", "Root@Example.COM", "  ROOT@example.com "])
def test_an_admin_signs_in_by_email_in_any_case(admin: Person, email: str) -> None:
    client = new_browser()
    answer = sign_in(email, client=client)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    assert client.get("/admin/").status_code == 200


def test_signing_in_begins_a_session_that_is_listed(browser: Client, admin: Person) -> None:
    listed = admin.api.get("/auth/sessions").json()
    assert sorted(row["current"] for row in listed) == [False, True]


def test_signing_out_ends_that_session_alone(browser: Client, admin: Person) -> None:
    assert browser.post("/admin/logout/").headers["Location"] == "/admin/login/"
    assert [row["current"] for row in admin.api.get("/auth/sessions").json()] == [True]


def test_signing_out_through_the_api_ends_it_too(browser: Client, admin: Person) -> None:
    admin.api.post("/auth/logout")
    answer = browser.get(USERS)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{LOGIN}?next={USERS}")


def test_a_page_asks_once_whether_it_lives(browser: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get("/admin/password_change/").status_code == 200
    assert sum('FROM "sessions"' in query["sql"] for query in queries) == 1


def test_it_ends_when_it_is_revoked(browser: Client, admin: Person) -> None:
    other = next(row for row in admin.api.get("/auth/sessions").json() if not row["current"])
    assert admin.api.delete(f"/auth/sessions/{other['id']}").status_code == 204
    assert browser.get(USERS).status_code == 302
    assert sign_in(admin.user.email, client=browser).status_code == 302
    assert browser.get(USERS).status_code == 200


@pytest.mark.parametrize("length", [254, 255, 300, 5_000])
def test_an_address_of_any_length_may_be_tried(db: None, length: int) -> None:
    answer = sign_in("a@" + ".".join(["b" * 50] * 100)[: length - 6] + ".com")
    assert answer.status_code == 200


def test_the_form_says_by_its_status_too_that_the_account_is_locked(admin: Person) -> None:
    answers = [sign_in(admin.user.email, "wrong password") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 403, 403]
    assert all(890 <= int(answer.headers["Retry-After"]) <= 900 for answer in answers[2:])


@pytest.mark.parametrize("path", ["/admin/nope", "/admin/nope/", "/admin/accounts/nope/"])
def test_a_path_that_does_not_exist_is_not_found(path: str, client: Client) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_user_cannot_enter(alice: Person) -> None:
    client = new_browser()
    answer = sign_in(alice.user.email, client=client)
    assert answer.status_code == 200 and "the password of an admin" in answer.content.decode()
    assert client.get("/admin/").headers["Location"] == "/admin/login/?next=/admin/"


def test_an_unverified_admin_cannot_enter(db: None) -> None:
    answer = sign_in(person("una@example.com", role=Role.ADMIN, is_verified=False).user.email)
    assert answer.status_code == 200 and "not verified yet" in answer.content.decode()


def test_a_deactivated_admin_cannot_enter(admin: Person) -> None:
    User.objects.update(is_active=False)
    assert "the password of an admin" in sign_in(admin.user.email).content.decode()


def test_the_form_tells_of_the_lock_with_the_third_wrong_password(admin: Person) -> None:
    answers = [sign_in(admin.user.email, "wrong password").content.decode() for _ in range(3)]
    assert [LOCKED in answer for answer in answers] == [False, False, True]
    assert AuditEntry.objects.get().kind == AuditEntry.Kind.ACCOUNT_LOCKED
    assert Mail.objects.get().kind == Mail.Kind.ACCOUNT_LOCKED


def test_the_form_refuses_even_the_right_password_of_a_locked_account(admin: Person) -> None:
    lock(admin.user.email)
    answer = sign_in("ROOT@example.com")
    assert answer.status_code == 403 and LOCKED in answer.content.decode()
    assert 14 * 60 < int(answer.headers["Retry-After"]) <= 15 * 60


def test_the_form_locks_an_address_that_nobody_has_alike(db: None) -> None:
    lock("nobody@example.com")
    answer = sign_in("nobody@example.com")
    assert answer.status_code == 403 and LOCKED in answer.content.decode()


def test_a_lock_of_the_form_holds_the_api(admin: Person, api: Api) -> None:
    lock(admin.user.email)
    answer = api.post("/auth/login", admin.credentials)
    assert (answer.status_code, answer.json()["code"]) == (403, "account_locked")


def test_a_lock_of_the_api_holds_the_form(admin: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {"email": admin.user.email, "password": "wrong password"})
    assert LOCKED in sign_in(admin.user.email).content.decode()


def test_wrong_passwords_of_both_add_up(admin: Person, api: Api) -> None:
    sign_in(admin.user.email, "wrong password")
    api.post("/auth/login", {"email": admin.user.email, "password": "wrong password"})
    assert LOCKED in sign_in(admin.user.email, "wrong password").content.decode()


def test_a_success_clears_the_count(admin: Person) -> None:
    for _ in range(3):
        assert [sign_in(admin.user.email, guess).status_code for guess in ("wrong", "wrong", PASSWORD)] == [
            200,
            200,
            302,
        ]


def test_guesses_in_parallel_are_no_more_than_three(admin: Person, together: Together) -> None:
    answers = together(lambda number: sign_in(admin.user.email, f"wrong {number}").content.decode(), 10)
    assert AccessFailureLog.objects.count() == 3
    assert sum(LOCKED in answer for answer in answers) >= 7


def test_axes_keeps_no_log_of_logins_beside(browser: Client) -> None:
    browser.post("/admin/logout/")
    assert not AccessLog.objects.exists()


def test_createsuperuser_makes_a_verified_admin(db: None, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", email="Boss@Example.com", interactive=False, verbosity=0)
    boss = User.objects.get()
    assert (boss.email, boss.role, boss.is_verified) == ("boss@example.com", Role.ADMIN, True)
    assert sign_in("boss@example.com").status_code == 302
    assert api.post("/auth/login", {"email": "boss@example.com", "password": PASSWORD}).status_code == 200


# --- Signed in ------------------------------------------------------------------------------------------------------


def test_answers_carry_a_request_id_and_are_not_kept(browser: Client) -> None:
    for path in ("/admin/", LOGIN, USERS, "/admin/jsi18n/"):
        answer = browser.get(path, headers={"X-Request-ID": "abc"})
        assert answer.headers["X-Request-ID"] == "abc"
        assert "no-store" in answer.headers["Cache-Control"]


def test_the_api_knows_nothing_of_the_admins_cookies(browser: Client, admin: Person) -> None:
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get("/users/me", headers=admin.api.headers)
        assert browser.get("/users/me").status_code == 401
    assert answer.status_code == 200 and not answer.cookies
    assert not [query for query in queries.captured_queries if "django_session" in query["sql"]]


def test_a_demoted_or_deactivated_admin_is_out_at_once(browser: Client, admin: Person) -> None:
    for changes in ({"role": Role.USER}, {"role": Role.ADMIN, "is_active": False}):
        User.objects.filter(pk=admin.user.pk).update(**changes)
        assert browser.get(USERS).status_code == 302


def change_password(browser: Client, old: str) -> Any:
    fields = {"old_password": old, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    return browser.post("/admin/password_change/", fields)


def test_an_admin_changes_the_own_password_as_through_the_api(browser: Client, admin: Person) -> None:
    assert browser.get("/admin/password_change/").status_code == 200
    assert browser.get(change_password(browser, PASSWORD).headers["Location"]).status_code == 200
    assert admin.api.get("/users/me").status_code == 401
    assert Mail.objects.get().kind == Mail.Kind.PASSWORD_CHANGED
    assert sign_in(admin.user.email, NEW_PASSWORD).status_code == 302


def test_guesses_at_the_old_password_count_and_lock_nothing(browser: Client, admin: Person) -> None:
    for number in range(10):
        assert "The old password is wrong" in change_password(browser, f"wrong password {number}").content.decode()
    assert TooManyConfirmations.detail in change_password(browser, PASSWORD).content.decode()
    assert sign_in(admin.user.email).status_code == 302


# --- Every page -----------------------------------------------------------------------------------------------------


@pytest.fixture
def world(browser: Client, alice: Person, settings: Any) -> Client:
    """Something of everything that the site shows."""
    settings.RABBITMQ_URL = "amqp://rabbitmq.example/"
    alice.api.post(
        "/api/v1/attempts",
        {"question_id": 5, "language": "python", "submitted_code": "pass", "passed_tests": 1, "total_tests": 1},
    )
    lock(alice.user.email)
    Api().post("/auth/forgot-password", {"email": alice.user.email})
    deliver_due()
    browser.post(f"{USERS}{alice.user.pk}/change/", {"name": "Alicia", "role": "USER", "is_active": "on"})
    return browser


def list_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def pages_of(model: Any, browser: Client) -> Iterator[str]:
    changelist = list_of(model)
    yield changelist
    for words in ("alice", "alice@example.com", "5", "no such thing", "99999999999999999999", "%", "'"):
        yield f"{changelist}?q={words}"
    answer = browser.get(changelist)
    shown = answer.context["cl"]
    for number in range(len(shown.list_display)):
        yield f"{changelist}?o=-{number}"
    for choice in [choice for spec in shown.filter_specs for choice in spec.choices(shown)]:
        yield changelist + choice.get("query_string", "?created_at_from=2020-01-01&created_at_to=nonsense")
    row = model._default_manager.first()
    assert row, f"the fixture `world` leaves no {model._meta.verbose_name} to look at"
    yield f"{changelist}{row.pk}/change/"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=[model.__name__ for model in MODELS])
def test_every_page_opens_and_shows_no_hash(world: Client, model: Any) -> None:
    secrets = [
        *User.objects.values_list("password", flat=True),
        *PasswordReset.objects.values_list("code_hash", flat=True),
    ]
    for path in pages_of(model, world):
        answer = world.get(path, follow=True)
        assert answer.status_code == 200, path
        text = answer.content.decode()
        assert "argon2" not in text and not any(secret in text for secret in secrets), path


def test_the_overview_is_the_only_index(world: Client) -> None:
    answer = world.get("/admin/")
    assert answer.status_code == 200 and "PeerPrep User Service" in answer.content.decode()
    assert world.get("/admin/accounts/").status_code == world.get("/admin/axes/").status_code == 404


@pytest.mark.parametrize("model", [model for model in MODELS if model is not User], ids=lambda model: model.__name__)
def test_other_rows_cannot_be_changed(world: Client, model: Any) -> None:
    changelist, row = list_of(model), model._default_manager.first()
    for page in ("add", f"{row.pk}/change", f"{row.pk}/delete"):
        assert world.post(f"{changelist}{page}/", {"post": "yes"}).status_code == 403, page
    assert model._default_manager.filter(pk=row.pk).exists()


def test_groups_are_not_there() -> None:
    assert Group not in MODELS


def test_sessions_show_the_device_in_words(browser: Client, alice: Person) -> None:
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    Session.objects.filter(user=alice.user).update(user_agent=firefox)
    text = browser.get("/admin/accounts/session/?q=ALICE@example.com").content.decode()
    assert "Firefox on Linux" in text


def test_the_site_fetches_from_nowhere_else_and_is_not_framed(browser: Client, api: Api) -> None:
    policy = browser.get(USERS).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "http" not in policy
    assert "Content-Security-Policy" not in api.get("/users/me").headers


def test_users_are_found_and_filtered(browser: Client, alice: Person, bob: Person) -> None:
    lock(bob.user.email)
    for query, names in {
        "q=lic": ["Alice"],
        "q=BOB@example.com": ["Bob"],
        "q=al": ["Alice"],
        "q=zz": [],
        "locked=yes": ["Bob"],
        "role__exact=ADMIN": ["Root"],
        "created_at_to=2000-01-01": [],
        "created_at_from=2000-01-01&is_active__exact=1": ["Alice", "Bob", "Root"],
    }.items():
        found = browser.get(f"{USERS}?{query}").context["cl"].result_list
        assert sorted(user.name for user in found) == names, query


IMPOSSIBLE = [
    "user/?role__exact=%00",
    "session/?ip=zz",
    "mail/?p=99999999999999999999",
    "user/?is_active__exact=7",
    "user/?locked=no",
    "mail/?outcome=sent",
    "user/?created_at_from=9999-99-99",
    "user/?created_at_to=9999-12-31&created_at_from=0001-01-01",
]


@pytest.mark.parametrize("path", IMPOSSIBLE)
def test_an_impossible_address_is_answered(browser: Client, path: str) -> None:
    assert browser.get(f"/admin/accounts/{path}", follow=True).status_code == 200


def test_the_list_of_users_leaks_no_hash_to_a_filter(browser: Client) -> None:
    assert browser.get(f"{USERS}?password__startswith=argon2").headers["Location"] == f"{USERS}?e=1"


# --- Lists of any length --------------------------------------------------------------------------------------------

ROWS: dict[Any, Any] = {
    Session: lambda user: Session(user=user, expires_at=timezone.now() + timedelta(1)),
    Mail: lambda user: Mail(kind=Mail.Kind.VERIFICATION, to=user.email),
    AuditEntry: lambda user: AuditEntry(kind="role_changed", actor_kind="admin", user_id=user.pk, seal=str(user.pk)),
    AccessFailureLog: lambda user: AccessFailureLog(username=user.email, user_agent="", http_accept="", path_info=""),
}


@pytest.mark.slow
@pytest.mark.parametrize("model", ROWS, ids=lambda model: model.__name__)
def test_a_list_costs_the_same_for_10_and_100_rows(browser: Client, model: Any) -> None:
    users = User.objects.bulk_create(User(email=f"user{number}@example.com", name="x") for number in range(100))
    path, costs, shown = list_of(model), [], []
    browser.get(path)
    for some in (users[:10], users[10:]):
        model.objects.bulk_create([ROWS[model](user) for user in some])
        with CaptureQueriesContext(connection) as queries:
            shown.append(len(browser.get(path).context["cl"].result_list))
        costs.append(len(queries))
    assert shown in ([10, 50], [12, 50]) and costs[0] == costs[1]


def searched(browser: Client, model: Any, term: str) -> list[Any]:
    return list(browser.get(f"{list_of(model)}?q={term}").context["cl"].result_list)


@pytest.mark.parametrize("model", ROWS, ids=lambda model: model.__name__)
def test_rows_are_found_by_the_whole_address_of_a_user(browser: Client, alice: Person, bob: Person, model: Any) -> None:
    model.objects.bulk_create([ROWS[model](alice.user), ROWS[model](bob.user)])
    found = searched(browser, model, "ALICE@example.com")
    assert found and model.objects.count() > len(found)
    users = {getattr(row, "user_id", None) or getattr(row, "to", None) or row.username for row in found}
    assert users <= {alice.user.pk, alice.user.email}
    assert searched(browser, model, "alice") == searched(browser, model, "nobody@example.com") == []


def test_failed_logins_are_found_by_ip_address(browser: Client, alice: Person) -> None:
    lock(alice.user.email)
    assert len(searched(browser, AccessFailureLog, "127.0.0.1")) == 3
    assert searched(browser, AccessFailureLog, "127.0.0.2") == []
