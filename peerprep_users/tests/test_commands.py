"""The operator's commands about accounts."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import OperationalError, connection
from django.utils import timezone

from accounts.audit.log import Actor
from accounts.flows.administration import deactivate
from accounts.flows.profile import LastAdmin
from accounts.models import AuditEntry, Role, Session, User
from accounts.tokens.keys import new_pair
from conftest import PASSWORD, Api, Person, past_the_triggers, person
from core.tests.commands import reported
from core.tests.failures import raising

COMMANDS = [
    ("accounts", "audit changepassword createsuperuser delete_user deliver_mail explain_login keys"),
    ("accounts", "mail_gallery revoke_sessions send_test_mail set_role unlock"),
    ("attempts", "stats"),
    ("peerprep_users", "doctor export_user import_legacy publish_events purge_expired seed_demo work"),
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
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda: typed.pop(0))
    monkeypatch.setattr("getpass.getpass", lambda prompt: typed.pop(0))
    return typed


def test_help_has_examples() -> None:
    for app, names in COMMANDS:
        for name in names.split():
            text = load_command_class(app, name).create_parser("manage.py", name).format_help()
            assert f"  manage.py {name}" in text and "--pythonpath" not in text, name


@pytest.mark.parametrize(
    "arguments",
    [("set_role", "x@example.com", "ADMIN"), ("delete_user", "x@example.com"), ("export_user", "x@example.com")],
)
def test_an_unknown_address_is_one_line(db: None, arguments: tuple[str, ...]) -> None:
    assert refusal(*arguments) == ("There is no account with the address x@example.com.", 1)
    assert refusal("revoke_sessions", "X@Example.com", "--yes", WHY)[1] == 1


def test_set_role_gives_admin_and_takes_it_with_a_reason(admin: Person, alice: Person) -> None:
    assert run("set_role", "Alice@Example.com", "admin") == "alice@example.com now has the role ADMIN.\n"
    assert run("set_role", "alice@example.com", "ADMIN") == "alice@example.com already has the role ADMIN.\n"
    assert alice.api.get("/users/is-admin").json() == {"is_admin": True}
    assert refusal("set_role", "alice@example.com", "USER", "--yes") == ("A reason is required. Use --reason TEXT.", 2)
    run("set_role", "alice@example.com", "USER", "--yes", WHY)
    for command in (["set_role", "root@example.com", "USER"], ["delete_user", "root@example.com"]):
        assert refusal(*command) == refusal(*command, "--yes", WHY) == (LastAdmin.detail, 1)
    assert kinds() == ["role_changed", "role_changed"]
    assert AuditEntry.objects.latest("pk").reason == "asked for it"


def test_delete_user_asks_first(alice: Person, admin: Person, terminal: list[str]) -> None:
    terminal += ["n"]
    assert refusal("delete_user", "alice@example.com") == ("Nothing changed.", 1)
    terminal += ["y", "asked for it"]
    assert run("delete_user", "alice@example.com") == "alice@example.com was deleted.\n"
    assert list(User.objects.all()) == [admin.user]
    assert refusal("delete_user", "root@example.com", "--yes", WHY) == (LastAdmin.detail, 1)
    assert kinds() == ["account_deleted"]


def test_without_a_terminal_nothing_is_destroyed_unless_told_so(alice: Person, admin: Person) -> None:
    User.objects.filter(pk=alice.user.pk).update(role=Role.ADMIN)
    staged = new_pair("EdDSA")
    staged.save()
    past_the_triggers("DELETE FROM audit_head")
    for arguments in (
        ("delete_user", "alice@example.com", WHY),
        ("revoke_sessions", "--all", WHY),
        ("set_role", "alice@example.com", "USER", WHY),
        ("keys", "retire", staged.kid),
        ("keys", "activate", staged.kid, "--force"),
        ("audit", "restart", WHY),
    ):
        assert refusal(*arguments) == ("Cannot ask for confirmation without a terminal. Use --yes.", 2)
    assert refusal("delete_user", "alice@example.com", "--yes") == ("A reason is required. Use --reason TEXT.", 2)
    assert alice.api.get("/users/me").status_code == 200


def test_a_question_is_no_part_of_the_output(
    alice: Person, terminal: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)  # `capsys` has replaced that of `terminal`
    terminal += ["n"]
    assert refusal("delete_user", "alice@example.com", "--json", WHY) == ("Nothing changed.", 1)
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("Permanently delete alice@example.com ")


def test_a_question_that_nobody_would_see_is_not_asked(
    alice: Person, terminal: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", StringIO())
    terminal += ["y"]
    assert refusal("delete_user", "alice@example.com", WHY) == (
        "Cannot ask for confirmation without a terminal. Use --yes.",
        2,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["unlock"],
        ["unlock", "nobody"],
        ["explain_login", ""],
        ["delete_user", "nobody"],
        ["set_role", "nobody", "ADMIN"],
        ["export_user", "nobody"],
        ["revoke_sessions", ""],
        ["changepassword", ""],
        ["audit", "list", "--user="],
        ["send_test_mail", "nobody@localhost"],
        ["export_user", "alice@example.com", "--output="],
        ["mail_gallery", ""],
        ["audit", "list", "--since=ago"],
        ["audit", "list", "--last=0"],
        ["seed_demo", "--users=abc"],
        ["keys", "melt"],
        ["doctor", "-x"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_a_sentence_and_then_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    name = arguments[0]
    with pytest.raises(SystemExit) as exit_:
        load_command_class(get_commands()[name], name).run_from_argv(["manage.py", *arguments])
    sentence, usage, *_ = capsys.readouterr().err.splitlines()
    assert sentence[0].isupper() and sentence.endswith(".")
    assert usage.startswith(f"usage: manage.py {name} ") and exit_.value.code == 2


def test_revoke_sessions_ends_those_of_one_or_of_all(alice: Person, bob: Person, admin: Person) -> None:
    assert run("revoke_sessions", "alice@example.com", "--yes", WHY) == "Ended 1 session.\n"
    assert [one.api.get("/users/me").status_code for one in (alice, bob)] == [401, 200]
    assert run("revoke_sessions", "--all", "--yes", WHY) == "Ended 2 sessions.\n"
    assert not Session.objects.live().exists()
    assert run("revoke_sessions", "Alice@example.com") == "alice@example.com has no live session.\n"
    assert run("revoke_sessions", "--all") == "Nobody has a live session.\n"
    assert kinds() == ["sessions_ended"] * 3


def test_revoke_sessions_says_whose_and_how_many_it_ends(
    alice: Person, terminal: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)  # `capsys` has replaced that of `terminal`
    terminal += ["n"]
    assert refusal("revoke_sessions", "ALICE@example.com ") == ("Nothing changed.", 1)
    assert capsys.readouterr().err == "End every session of alice@example.com (1 live)? [y/N] "


def test_tokens_of_the_earlier_service_are_ended_without_a_session(alice: Person, settings: Any) -> None:
    run("revoke_sessions", "alice@example.com", "--yes", WHY)
    settings.LEGACY_TOKENS_UNTIL = timezone.now() + timedelta(days=7)
    assert run("revoke_sessions", "alice@example.com", "--yes", WHY) == "Ended 0 sessions.\n"
    assert kinds() == ["sessions_ended"] * 2
    assert Session.objects.count() == 2


def test_export_user_writes_what_the_user_gets(alice: Person, tmp_path: Path) -> None:
    file = tmp_path / "alice.json"
    run("export_user", "alice@example.com", f"--output={file}")
    assert json.loads(file.read_text())["profile"]["email"] == "alice@example.com"
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        run("export_user", "alice@example.com", f"--output={file}")
    assert kinds() == ["account_exported"]
    assert json.loads(run("export_user", "alice@example.com"))["security_events"]


def test_an_export_that_fails_leaves_no_file(alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "alice.json"
    with monkeypatch.context() as moment:
        moment.setattr("peerprep_users.export.export_history", raising(OperationalError("down")))
        with pytest.raises(OperationalError):
            run("export_user", "alice@example.com", f"--output={file}")
    assert not file.exists()
    run("export_user", "alice@example.com", f"--output={file}")


def test_unlock_opens_a_lock_and_tells_of_it(alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    assert "now unlocked" in run("unlock", "Alice@example.com", WHY)
    assert "was not locked" in run("unlock", "alice@example.com")
    api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    assert "was not locked" in run("unlock", "alice@example.com")
    assert api.post("/auth/login", alice.credentials).status_code == 200
    opened = AuditEntry.objects.get(kind=AuditEntry.Kind.LOCK_OPENED)
    assert (opened.actor_kind, opened.reason, opened.user_id) == ("operator", "asked for it", alice.user.pk)


def test_unlock_says_that_nobody_has_the_address(api: Api, db: None) -> None:
    nobody = "There is no account with the address x@example.com. It was"
    assert reported("unlock", "x@example.com") == (f"{nobody} not locked.\n", 1)
    for _ in range(3):
        api.post("/auth/login", {"email": "x@example.com", "password": "wrong password"})
    text, code = reported("unlock", "x@example.com")
    assert text.startswith(f"{nobody} locked until ") and text.endswith(" and is now unlocked.\n") and code == 1


def test_createsuperuser_asks_and_refuses_in_one_line(alice: Person, terminal: list[str]) -> None:
    terminal += ["Boss@Example.com", PASSWORD, PASSWORD]
    assert run("createsuperuser") == "boss@example.com is now an admin.\n"
    boss = User.objects.get(email="boss@example.com")
    assert (boss.role, boss.is_verified) == (Role.ADMIN, True)
    for email, password, again, said in (
        ("ALICE@example.com", PASSWORD, PASSWORD, "An account with this"),
        ("new@example.com", "password", "password", "too common"),
        ("new@example.com", PASSWORD, PASSWORD + "x", "do not match"),
        ("new", PASSWORD, PASSWORD, "Enter a valid e-mail address."),
        ("new@localhost", PASSWORD, PASSWORD, "Enter a valid e-mail address."),
        ('"new"@example.com', PASSWORD, PASSWORD, "Enter a valid e-mail address."),
        ("new@example.com", "peerprep123", "peerprep123", "name of this service"),
    ):
        terminal[:] = [email, password, again]
        text, code = refusal("createsuperuser")
        assert said in text and code == 1
    assert kinds() == ["account_created"]


PROMPTING: list[tuple[tuple[str, ...], list[str]]] = [
    (("createsuperuser",), ["boss@example.com", PASSWORD, PASSWORD]),
    (("changepassword",), ["alice@example.com", "another horse altogether", "another horse altogether"]),
    (("delete_user", "alice@example.com"), ["y", "asked for it"]),
    (("revoke_sessions", "--all"), ["y", "asked for it"]),
    (("set_role", "root@example.com", "USER"), ["y", "asked for it"]),
]


@pytest.mark.parametrize(("arguments", "answers"), PROMPTING, ids=[each[0][0] for each in PROMPTING])
class TestACommandThatAsks:
    def test_it_refuses_in_one_line_without_a_terminal(
        self, alice: Person, admin: Person, arguments: tuple[str, ...], answers: list[str]
    ) -> None:
        person("other@example.com", role=Role.ADMIN)
        text, code = refusal(*arguments)
        assert code == 2 and ("without a terminal" in text or "--reason" in text)
        assert not AuditEntry.objects.exists()

    def test_it_asks_outside_a_transaction(
        self, transactional_db: None, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], answers: list[str]
    ) -> None:
        for name in ("alice", "root", "other"):
            person(f"{name}@example.com", role=Role.USER if name == "alice" else Role.ADMIN)
        left = list(answers)

        def answer(prompt: str = "") -> str:
            assert not connection.in_atomic_block
            return left.pop(0)

        for stream in ("stdin", "stderr"):
            monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
        monkeypatch.setattr("builtins.input", answer)
        monkeypatch.setattr("getpass.getpass", answer)
        run(*arguments)
        assert not left


def test_changepassword_changes_nothing_but_the_password(
    alice: Person, terminal: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(prompt: str) -> str:
        User.objects.filter(pk=alice.user.pk).update(role=Role.ADMIN, name="Alice B.")
        return "another horse altogether"

    monkeypatch.setattr("getpass.getpass", answer)
    terminal += ["Alice@example.com"]
    assert run("changepassword") == "alice@example.com has a new password and has to sign in again.\n"
    user = User.objects.get(pk=alice.user.pk)
    assert (user.role, user.name, user.check_password("another horse altogether")) == (Role.ADMIN, "Alice B.", True)


def test_changepassword_refuses_in_one_line(alice: Person, terminal: list[str]) -> None:
    for password, again, said in (("password", "password", "too common"), (PASSWORD, PASSWORD + "x", "do not match")):
        terminal[:] = [password, again]
        text, code = refusal("changepassword", "alice@example.com")
        assert said in text and code == 1
    assert alice.api.get("/users/me").status_code == 200


def test_changepassword_asks_for_an_address(terminal: list[str]) -> None:
    terminal += [""]
    assert refusal("changepassword") == ("Enter a valid e-mail address.", 1)


def test_changepassword_of_a_deactivated_account_leaves_its_trace(alice: Person, terminal: list[str]) -> None:
    deactivate(user=alice.user, by=Actor.operator(), reason="left")
    terminal += ["another horse altogether"] * 2
    run("changepassword", "alice@example.com")
    assert kinds() == ["account_deactivated", "password_changed"]
    assert AuditEntry.objects.filter(user_id=alice.user.pk).count() == 2


def test_the_last_admin_who_can_sign_in_stays(admin: Person, unverified: Person) -> None:
    User.objects.filter(pk=unverified.user.pk).update(role=Role.ADMIN)
    assert refusal("set_role", "root@example.com", "USER", "--yes", WHY) == (LastAdmin.detail, 1)
    run("set_role", "una@example.com", "USER", "--yes", WHY)


def test_audit_list_shows_a_line_an_entry_also_of_an_account_that_is_gone(alice: Person) -> None:
    deactivate(user=alice.user, by=Actor.operator(), reason="left\n2026-01-01 \x1b[31mforged  line")
    gone = str(alice.user.pk)
    run("delete_user", "alice@example.com", "--yes", WHY)
    _, newest, oldest = run("audit", "list", f"--user={gone}").splitlines()
    assert oldest.endswith("left 2026-01-01 [31mforged line") and "account_deleted" in newest
    text, code = refusal("audit", "list", "--user=alice@example.com")
    assert "by its id" in text and code == 1


def test_createsuperuser_takes_the_password_from_the_environment(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal("createsuperuser", "--noinput", "--email=boss@example.com")[1] == 2
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    run("createsuperuser", "--noinput", "--email=boss@example.com")
    assert kinds() == ["account_created"]
