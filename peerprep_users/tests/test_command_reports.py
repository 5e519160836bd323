"""Commands that report: with `--json`, standard output is one document."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from attempts.models import QuestionStatus
from attempts.tests.factories import attempt
from conftest import PASSWORD, Api, Person
from core.tests.commands import reported

WHY = "--reason=asked for it"
REPORTS = [
    ("audit", "list"),
    ("audit", "verify"),
    ("createsuperuser", "--noinput", "--email=boss@example.com"),
    ("delete_user", "alice@example.com", "--yes", WHY),
    ("deliver_mail",),
    ("explain_login", "alice@example.com"),
    ("export_user", "alice@example.com", "--output=new.json"),
    ("keys", "list"),
    ("mail_gallery", "mails"),
    ("purge_expired",),
    ("revoke_sessions", "alice@example.com", "--yes", WHY),
    ("seed_demo", "--remove"),
    ("set_role", "alice@example.com", "ADMIN"),
    ("stats", "verify"),
    ("stats", "rebuild"),
    ("unlock", "alice@example.com"),
]


def document(*arguments: str) -> tuple[dict[str, Any], int]:
    said, code = reported(*arguments, "--json")
    return json.loads(said), code


@pytest.mark.parametrize("command", REPORTS, ids=" ".join)
def test_the_document_has_the_verdict_that_is_the_first_line_otherwise(
    alice: Person, command: tuple[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    monkeypatch.chdir(tmp_path)
    with transaction.atomic():
        first_line = reported(*command)[0].splitlines()[0]
        transaction.set_rollback(True)
    Path("again").mkdir()
    monkeypatch.chdir("again")
    found, code = document(*command)
    assert (list(found)[:2], found["verdict"], found["ok"], code) == (["ok", "verdict"], first_line, True, 0)


def test_a_bad_verdict_is_exit_code_1_in_a_document_too(alice: Person) -> None:
    attempt(alice)
    QuestionStatus.objects.update(attempts=99)
    found, code = document("stats", "verify")
    assert (found["ok"], code) == (False, 1)
    assert [(one["side"], one["attempts"]) for one in found["differences"]] == [("counted", 1), ("stored", 99)]
    assert {one["user_id"] for one in found["differences"]} == {str(alice.user.pk)}


def test_a_lock_of_an_address_without_an_account_is_opened_for_a_program(api: Api, db: None) -> None:
    for _ in range(3):
        api.post("/auth/login", {"email": "x@example.com", "password": "wrong password"})
    found, code = document("unlock", "x@example.com")
    assert (found["ok"], found["locked_until"][-1], code) == (False, "Z", 1)


def test_a_program_gets_the_passwords_of_demo_users(db: None, api: Api) -> None:
    found, _ = document("seed_demo", "--users=1", "--attempts=1")
    assert (found["users"], found["attempts"]) == (2, 1)
    assert [api.post("/auth/login", login).status_code for login in found["logins"]] == [200, 200]
    assert document("seed_demo", "--remove", "--yes")[0]["users"] == 2


def test_a_login_is_explained_to_a_program(alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    found, code = document("explain_login", "alice@example.com")
    assert ([reason["code"] for reason in found["reasons"]], found["live_sessions"], code) == (["locked"], 1, 1)
    kinds = [event["kind"] for event in found["timeline"]]
    assert kinds.count("wrong_password") == 1 and kinds[-2:] == ["signed_in", "account_created"]


def test_a_program_gets_codes_and_an_operator_words(admin: Person) -> None:
    admin.api.put("/users/me", {"new_password": "a better horse battery", "old_password": PASSWORD})
    admin.api.delete(f"/auth/sessions/{admin.session.pk}")
    found, _ = document("explain_login", "root@example.com")
    assert (found["user"]["id"], found["user"]["role"]) == (str(admin.user.pk), "ADMIN")
    kinds = [event["kind"] for event in found["timeline"]]
    assert sorted(kinds) == ["account_created", "mail_queued", "password_changed", "revoked", "signed_in"]
    assert all(event["at"].endswith("Z") for event in [{"at": found["last_seen_at"]}, *found["timeline"]])
    said, _ = reported("explain_login", "root@example.com")
    for words in ("role: Admin\n", "  Ended one session.\n", "  The password was changed. ("):
        assert words in said


def test_entries_of_the_audit_trail_have_their_facts_and_times_in_utc(alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    found, _ = document("audit", "list", "--kind=account_locked")
    (entry,) = found["entries"]
    assert (entry["user_id"], entry["actor_kind"], entry["ip"]) == (str(alice.user.pk), "anyone", "127.0.0.1")
    assert entry["occurred_at"].endswith("Z") and found["total"] == 1


def test_keys_are_listed_with_the_times_of_their_steps(alice: Person, settings: Any) -> None:
    settings.ALGORITHM = "EdDSA"
    found, _ = document("keys", "stage")
    staged, active = found["keys"]
    assert found["verdict"] == f"Staged {staged['kid']}."
    assert (staged["activated_at"], active["algorithm"]) == (None, "EdDSA") and active["activated_at"]
