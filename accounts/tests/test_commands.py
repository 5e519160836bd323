"""The operator's commands about accounts."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.audit import NO_CLIENT, Actor
from accounts.flows.administration import deactivate
from accounts.flows.explanation import explain_login
from accounts.flows.profiles import LastAdmin
from accounts.models import AuditEntry, Mail, Role, Session, User
from conftest import PASSWORD, Api, Person

COMMANDS = [
    ("accounts", "audit changepassword createsuperuser delete_user deliver_mail explain_login export_user keys"),
    ("accounts", "mail_gallery purge_expired revoke_sessions send_test_mail set_role unlock"),
    ("attempts", "seed_demo stats"),
]
WHY = "--reason=asked for it"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def refusal(*arguments: str) -> tuple[str, int]:
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    text = str(refused.value)
    assert "\n" not in text
    return text, refused.value.returncode


def kinds() -> list[str]:
    entries = AuditEntry.objects.order_by("pk")
    assert {entry.actor_kind for entry in entries} <= {"operator"} and all("@" in entry.actor_name for entry in entries)
    return [entry.kind for entry in entries]


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())


@pytest.fixture
def terminal(no_terminal: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed, line by line."""
    typed: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: typed.pop(0))
    monkeypatch.setattr("getpass.getpass", lambda prompt: typed.pop(0))
    return typed


def test_help_has_examples() -> None:
    for app, names in COMMANDS:
        for name in names.split():
            text = load_command_class(app, name).create_parser("manage.py", name).format_help()
            assert f"  manage.py {name}" in text, name


@pytest.mark.parametrize(
    "arguments",
    [("set_role", "x@example.com", "ADMIN"), ("delete_user", "x@example.com"), ("export_user", "x@example.com")],
)
def test_an_unknown_address_is_one_line(db: None, arguments: tuple[str, ...]) -> None:
    assert refusal(*arguments) == ("There is no account with the address x@example.com.", 1)
    assert refusal("revoke_sessions", "X@Example.com", "--yes", WHY)[1] == 1


def test_set_role_gives_admin_and_takes_it_with_a_reason(admin: Person, alice: Person) -> None:
    assert run("set_role", "Alice@Example.com", "admin") == "alice@example.com is ADMIN.\n"
    assert alice.api.get("/users/is-admin").json() == {"is_admin": True}
    assert refusal("set_role", "alice@example.com", "USER") == ("Say why: --reason TEXT.", 2)
    run("set_role", "alice@example.com", "USER", WHY)
    assert refusal("set_role", "root@example.com", "USER", WHY) == (LastAdmin.detail, 1)
    assert kinds() == ["role_changed", "role_changed"]
    assert AuditEntry.objects.latest("pk").reason == "asked for it"


def test_delete_user_asks_first(alice: Person, admin: Person, terminal: list[str]) -> None:
    terminal += ["n"]
    assert refusal("delete_user", "alice@example.com") == ("Nothing was done.", 1)
    terminal += ["y", "asked for it"]
    assert run("delete_user", "alice@example.com") == "alice@example.com is deleted.\n"
    assert list(User.objects.all()) == [admin.user]
    assert refusal("delete_user", "root@example.com", "--yes", WHY) == (LastAdmin.detail, 1)
    assert kinds() == ["account_deleted"]


def test_without_a_terminal_nothing_is_destroyed_unless_told_so(alice: Person) -> None:
    for arguments in (("delete_user", "alice@example.com", WHY), ("revoke_sessions", "--all", WHY)):
        assert refusal(*arguments) == ("There is no terminal to ask on. Say --yes.", 2)
    assert refusal("delete_user", "alice@example.com", "--yes") == ("Say why: --reason TEXT.", 2)
    assert alice.api.get("/users/me").status_code == 200


def test_revoke_sessions_ends_those_of_one_or_of_all(alice: Person, bob: Person, admin: Person) -> None:
    assert run("revoke_sessions", "alice@example.com", "--yes", WHY) == "1 sessions ended.\n"
    assert [one.api.get("/users/me").status_code for one in (alice, bob)] == [401, 200]
    assert run("revoke_sessions", "--all", "--yes", WHY) == "2 sessions ended.\n"
    assert not Session.objects.live().exists()
    assert kinds() == ["sessions_ended"] * 3


def test_export_user_writes_what_the_user_gets(alice: Person, tmp_path: Path) -> None:
    file = tmp_path / "alice.json"
    run("export_user", "alice@example.com", f"--output={file}")
    assert json.loads(file.read_text())["profile"]["email"] == "alice@example.com"
    assert file.stat().st_mode & 0o777 == 0o600
    assert refusal("export_user", "alice@example.com", f"--output={file}") == (f"{file}: File exists.", 1)
    assert kinds() == ["account_exported"]
    assert json.loads(run("export_user", "alice@example.com"))["security_events"]


def test_unlock_opens_a_lock_and_tells_of_it(alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    assert "it is open now" in run("unlock", "Alice@example.com", WHY)
    assert "was not locked" in run("unlock", "alice@example.com")
    assert api.post("/auth/login", alice.credentials).status_code == 200
    opened = AuditEntry.objects.get(kind=AuditEntry.Kind.LOCK_OPENED)
    assert (opened.actor_kind, opened.reason, opened.user_id) == ("operator", "asked for it", alice.user.pk)


def test_createsuperuser_asks_and_refuses_in_one_line(alice: Person, terminal: list[str]) -> None:
    terminal += ["Boss@Example.com", PASSWORD, PASSWORD]
    assert run("createsuperuser") == "boss@example.com is an admin.\n"
    boss = User.objects.get(email="boss@example.com")
    assert (boss.role, boss.is_verified) == (Role.ADMIN, True)
    for email, password, again, said in (
        ("ALICE@example.com", PASSWORD, PASSWORD, "There is an account with this"),
        ("new@example.com", "password", "password", "too common"),
        ("new@example.com", PASSWORD, PASSWORD + "x", "two different passwords"),
        ("new", PASSWORD, PASSWORD, "no e-mail address"),
    ):
        terminal[:] = [email, password, again]
        text, code = refusal("createsuperuser")
        assert said in text and code == 1
    assert kinds() == ["account_created"]


def test_createsuperuser_takes_the_password_from_the_environment(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal("createsuperuser", "--noinput", "--email=boss@example.com")[1] == 2
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    run("createsuperuser", "--noinput", "--email=boss@example.com")
    assert kinds() == ["account_created"]


# --- Why can't this user sign in? -----------------------------------------------------------------------------------


def explained(email: str) -> str:
    """What the command says, its last line included, whichever way it ends."""
    out = StringIO()
    try:
        call_command("explain_login", email, stdout=out)
    except CommandError as verdict:
        return f"{out.getvalue()}{verdict} ({verdict.returncode})"
    return out.getvalue()


def test_it_says_that_nothing_is_wrong(alice: Person, api: Api) -> None:
    api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    api.post("/auth/login", alice.credentials)
    said = explained("ALICE@example.com")
    assert said.endswith("Nothing keeps alice@example.com from signing in with the right password.\n")
    assert "live sessions: 2" in said and "127.0.0.1  an unknown device  refused" in said and "  live\n" in said


def test_it_knows_an_address_that_nobody_has(db: None) -> None:
    assert "unknown_address: There is no account with this address." in explained("x@example.com")


@pytest.mark.parametrize(
    ("state", "facts", "said"),
    [
        ("queued", {"error": "10:00 refused"}, "The last try failed: 10:00 refused"),
        ("sent", {"sent_at": "2020-01-01T00:00Z"}, "Its link does not work any more"),
        ("dropped", {}, "was dropped"),
        ("dead", {"error": "one\ntwo"}, "could not be delivered: two"),
        (None, {}, "No verification mail is on record"),
    ],
)
def test_it_says_what_became_of_the_verification_mail(
    unverified: Person, state: str | None, facts: dict[str, Any], said: str
) -> None:
    if state:
        Mail.objects.create(kind="verification", to=unverified.user.email, state=state, **facts)
    text = explained("una@example.com")
    assert "not_verified: " in text and said in text


def test_it_says_how_long_a_lock_lasts_and_whose_tries_it_was(alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {**alice.credentials, "password": "wrong"}, **{"User-Agent": "curl/8"})
    text = explained("alice@example.com")
    assert "locked: The account is locked until " in text and "by wrong passwords from 127.0.0.1 (curl)." in text
    run("unlock", "alice@example.com")
    assert "Lock Opened: " in explained("alice@example.com")


def test_it_says_who_deactivated_the_account_and_why(alice: Person, admin: Person) -> None:
    deactivate(user=alice.user, by=Actor.admin(admin.user, NO_CLIENT), reason="spam")
    text = explained("alice@example.com")
    assert "by root@example.com: spam." in text and "sessions ended within 7 days: 1 by admin" in text
    assert text.endswith("alice@example.com cannot sign in: deactivated. (1)")


def test_its_queries_are_as_many_for_everybody(alice: Person, unverified: Person, api: Api) -> None:
    counts = []
    for somebody in (alice, unverified):
        for _ in range(3):
            api.post("/auth/login", somebody.credentials)
        with CaptureQueriesContext(connection) as queries:
            explain_login(address=somebody.user.email)
        counts.append(len(queries))
    assert counts == [10, 10]


def test_it_tells_of_a_reused_token(alice: Person, api: Api) -> None:
    token = alice.tokens.refresh_token
    for _ in range(2):
        token = api.post("/auth/refresh", {"refresh_token": token}).json()["refresh_token"]
    api.post("/auth/refresh", {"refresh_token": alice.tokens.refresh_token})
    text = explained("alice@example.com")
    assert "Refresh Token Reused: " in text and "1 by reuse" in text
