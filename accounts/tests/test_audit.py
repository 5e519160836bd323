"""The audit trail: what is in it, and that nobody changes it unnoticed."""

import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.audit import Actor, Kind, record
from accounts.flows import administration
from accounts.flows.mail import Sender
from accounts.flows.trail import chain_entries
from accounts.models import AuditEntry, AuditHead, Role
from accounts.trail import AppendOnly
from conftest import Api, Person, Together, person
from peerprep_users.clients import Client

PHONE = Client(ip="2001:db8::7", user_agent="Netscape 4")


def write(user: Any, times: int) -> None:
    for number in range(times):
        record(Kind.LOCK_OPENED, by=Actor.user(user, PHONE), address=user.email, user=user, reason=f"no. {number}")


def verify(*arguments: str) -> str:
    out = StringIO()
    call_command("audit", "verify", *arguments, stdout=out)
    return out.getvalue()


def complaint(*arguments: str) -> str:
    with pytest.raises(CommandError) as found:
        verify(*arguments)
    assert found.value.returncode == 1
    return str(found.value)


def head() -> str:
    return str(AuditHead.objects.get())


def past_the_triggers(*statements: str) -> None:
    """What somebody may do who owns the database. The test's transaction takes it back."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE audit_trail DISABLE TRIGGER USER")
        else:
            cursor.execute("DROP TRIGGER audit_trail_no_update")
            cursor.execute("DROP TRIGGER audit_trail_no_delete")
        for sql in statements:
            cursor.execute(sql)


@pytest.fixture
def trail(alice: Person) -> Person:
    """Five entries about alice, chained."""
    write(alice.user, 5)
    assert chain_entries() == 5
    return alice


# --- Tampering ------------------------------------------------------------------------------------------------------

ERASE = "UPDATE audit_trail SET address = '', actor_name = '', ip = NULL, user_agent = '', salt = '' WHERE position = 3"
SWAP = [f"UPDATE audit_trail SET position = {to} WHERE position = {at}" for at, to in ((2, 9), (3, 2), (9, 3))]
TAMPERING = {
    "reason": (["UPDATE audit_trail SET reason = 'x' WHERE position = 3"], "position 3", "content changed"),
    "kind": (["UPDATE audit_trail SET kind = 'role_changed' WHERE position = 5"], "position 5", "content changed"),
    "time": (["UPDATE audit_trail SET occurred_at = '2020-01-01' WHERE position = 1"], "position 1", "content changed"),
    "ip": (["UPDATE audit_trail SET ip = '192.0.2.9' WHERE position = 2"], "position 2", "content changed: address"),
    "deleted": (["DELETE FROM audit_trail WHERE position = 3"], "position 3", "missing"),
    "swapped": (SWAP, "position 2", "order"),
    "tail cut off": (["DELETE FROM audit_trail WHERE position > 3"], "position 4", "missing: the head is 5"),
    "beginning cut off": (
        ["DELETE FROM audit_trail WHERE position < 3"],
        "position 1",
        "missing: the trail begins at 3",
    ),
    "all gone": (["DELETE FROM audit_trail"], "position 1", "missing"),
    "erased": ([ERASE], "position 3", "erased"),
    "salt": (["UPDATE audit_trail SET salt = '' WHERE position = 3"], "position 3", "erased"),
    "head": (["UPDATE audit_head SET position = 4"], "position 5", "missing"),
    "head taken back": (
        ["UPDATE audit_head SET position = 4, hash = (SELECT hash FROM audit_trail WHERE position = 4)"],
        "position 5",
        "beyond the head",
    ),
    "head deleted": (["DELETE FROM audit_head"], "position 1", "beyond the head"),
    "key": (
        ["UPDATE audit_trail SET seal = 'ffffffff' || substr(seal, 9) WHERE position = 4"],
        "position 4",
        "unknown key",
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_verify_names_the_first_entry_that_is_not_right(trail: Person, name: str) -> None:
    statements, position, what = TAMPERING[name]
    assert "5 entries" in verify()
    past_the_triggers(*statements)
    said = complaint()
    assert position in said and what in said


def test_it_names_a_forged_entry_and_takes_no_copy(trail: Person) -> None:
    real = AuditEntry.objects.get(position=2)
    for changed in ({}, {"seal": real.seal[:9] + real.seal[9:][::-1]}):
        copy = AuditEntry.objects.get(pk=real.pk)
        copy.pk, copy.position, copy.hash = None, None, ""
        copy.seal = changed.get("seal", real.seal)
        if changed:
            AuditEntry.objects.bulk_create([copy])
        else:
            with pytest.raises(DatabaseError), transaction.atomic():
                AuditEntry.objects.bulk_create([copy])
    assert "position 6" in complaint() and "never written by the service" in complaint()


def test_a_head_from_the_logs_shows_that_a_tail_was_cut_off_with_its_head(trail: Person) -> None:
    noted = head()
    assert f"head {noted}" in verify("--head", noted)
    write(trail.user, 1)
    assert "6 entries" in verify("--head", noted)
    past_the_triggers(
        "DELETE FROM audit_trail WHERE position > 3",
        "UPDATE audit_head SET position = 3, hash = (SELECT hash FROM audit_trail WHERE position = 3)",
    )
    assert "3 entries" in verify()  # which alone cannot tell
    assert "the tail was cut off" in complaint("--head", noted)
    write(trail.user, 3)
    assert "written anew" in complaint("--head", noted)


def test_older_keys_verify_and_others_do_not(trail: Person, settings: Any) -> None:
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another-key-of-at-least-32-characters"
    assert "position 1" in complaint() and "unknown key" in complaint()
    settings.SECRET_KEY_FALLBACKS = [old]
    write(trail.user, 1)
    assert "6 entries" in verify()


def test_it_refuses_what_is_no_head(db: None) -> None:
    for text in ("7", "7:abc", f"x:{'0' * 73}"):
        with pytest.raises(CommandError):
            verify("--head", text)


# --- Append-only ----------------------------------------------------------------------------------------------------

CHANGES: list[Callable[[], Any]] = [
    lambda: AuditEntry.objects.filter(position=2).update(reason="x"),
    lambda: AuditEntry.objects.filter(position=2).update(address=""),
    lambda: AuditEntry.objects.filter(position=2).update(position=77),
    lambda: AuditEntry.objects.filter(position=2).update(salt="", address="", actor_name="", ip=None, user_agent="x"),
    lambda: AuditEntry.objects.filter(position=2).delete(),
    lambda: connection.cursor().execute("UPDATE audit_trail SET facts = '{\"a\": 1}'"),
    lambda: connection.cursor().execute("DELETE FROM audit_trail"),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_the_database_refuses_to_change_or_delete_an_entry(trail: Person, number: int) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        CHANGES[number]()
    assert "5 entries" in verify()


def test_the_model_refuses_it_too(trail: Person) -> None:
    entry = AuditEntry.objects.get(position=2)
    for change in (entry.save, entry.delete):
        with pytest.raises(AppendOnly):
            change()


def test_recording_is_one_insert(alice: Person) -> None:
    with CaptureQueriesContext(connection) as queries:
        write(alice.user, 1)
    assert [query["sql"].split()[0] for query in queries.captured_queries] == ["INSERT"]


def test_writers_and_two_chainers_leave_no_gap(together: Together) -> None:
    alice = person("alice@example.com").user
    for turn in range(1, 21):
        together(lambda number: chain_entries() if number < 2 else write(alice, 1), 22)
        chain_entries()
        positions = AuditEntry.objects.order_by("position").values_list("position", flat=True)
        assert list(positions) == list(range(1, 20 * turn + 1))
    assert "400 entries" in verify()


def test_the_sender_of_mail_chains_at_most_once_a_second(alice: Person) -> None:
    sender = Sender()
    write(alice.user, 1)
    sender.chain()
    assert AuditHead.objects.get().position == 1
    write(alice.user, 1)
    with CaptureQueriesContext(connection) as queries:
        sender.chain()
    assert not queries.captured_queries


# --- What is in it --------------------------------------------------------------------------------------------------


def test_it_says_who_did_what_to_whom_from_where_and_why(admin: Person, alice: Person) -> None:
    by = Actor.admin(admin.user, PHONE)
    administration.set_role(user=alice.user, role=Role.ADMIN, by=by)
    administration.deactivate(user=alice.user, by=by, reason="left")
    made, ended = AuditEntry.objects.order_by("pk")
    assert (made.kind, made.facts, made.user_id) == ("role_changed", {"from": "USER", "to": "ADMIN"}, alice.user.pk)
    assert (ended.kind, ended.reason, ended.facts) == ("account_deactivated", "left", {"sessions": 1})
    for entry in (made, ended):
        assert (entry.actor_kind, entry.actor_id, entry.actor_name) == ("admin", admin.user.pk, "root@example.com")
        assert (entry.address, entry.ip, entry.user_agent) == ("a***@example.com", "2001:db8::7", "Netscape 4")


def test_a_reason_is_needed_to_take_something_away(admin: Person, alice: Person) -> None:
    administration.set_role(user=alice.user, role=Role.ADMIN, by=Actor.operator())
    by = Actor.admin(admin.user, PHONE)
    for take in (administration.end_all_sessions, administration.deactivate, administration.delete):
        with pytest.raises(administration.ReasonRequired):
            take(user=alice.user, by=by, reason=" ")
    with pytest.raises(administration.ReasonRequired):
        administration.set_role(user=alice.user, role=Role.USER, by=by)
    assert alice.api.get("/users/is-admin").json() == {"is_admin": True}
    assert AuditEntry.objects.count() == 1


def test_mails_are_asked_for_within_the_limits(alice: Person, unverified: Person) -> None:
    by = Actor.operator()
    administration.resend_verification(user=unverified.user, by=by)
    with pytest.raises(administration.VerifiedAlready):
        administration.resend_verification(user=alice.user, by=by)
    administration.send_reset_code(user=alice.user, by=by)
    with pytest.raises(administration.TooManyMails):
        administration.send_reset_code(user=alice.user, by=by)
    administration.verify_address(user=unverified.user, by=by)
    administration.deactivate(user=alice.user, by=by, reason="left")
    with pytest.raises(administration.GetsNoMail):
        administration.send_reset_code(user=alice.user, by=by)
    administration.reactivate(user=alice.user, by=by)
    kinds = AuditEntry.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == [
        "verification_resent",
        "reset_code_sent",
        "address_verified",
        "account_deactivated",
        "account_reactivated",
    ]


def test_deleting_an_account_erases_what_is_personal_and_leaves_the_chain(trail: Person, admin: Person) -> None:
    administration.rename(user=trail.user, name="Alicia", by=Actor.admin(admin.user, PHONE))  # not chained yet
    write(admin.user, 1)
    assert trail.api.delete("/users/me").status_code == 200
    assert "8 entries" in verify()
    of_alice = AuditEntry.objects.filter(user_id=trail.user.pk)
    assert of_alice.count() == 7
    assert not of_alice.exclude(address="", actor_name="", ip=None, user_agent="", kind__isnull=False).exists()
    deletion = of_alice.get(kind=Kind.ACCOUNT_DELETED)
    assert (deletion.actor_kind, deletion.actor_id) == ("user", trail.user.pk)
    assert AuditEntry.objects.get(user_id=admin.user.pk).address == "r***@example.com"


def test_an_export_tells_the_user_nothing_of_the_admins_device(admin: Person, alice: Person) -> None:
    administration.unlock(address=alice.user.email, by=Actor.admin(admin.user, PHONE))
    administration.set_role(user=alice.user, role=Role.ADMIN, by=Actor.admin(admin.user, PHONE), reason="hired")
    found = alice.api.get("/users/me/export").getvalue().decode()
    assert '"role_changed"' in found and "hired" in found
    assert "root@example.com" not in found and "2001:db8::7" not in found
    assert '"role_changed"' in admin.api.get("/users/me/export").getvalue().decode().partition('"admin_actions"')[2]


def test_what_is_older_than_a_year_is_pruned_and_the_rest_stays_sound(alice: Person, monkeypatch: Any) -> None:
    monkeypatch.setattr("accounts.flows.trail.BATCH", 3)
    with time_machine.travel(timezone.now() - timedelta(days=400)):
        write(alice.user, 5)
    write(alice.user, 2)
    before = verify().split()[-1]
    call_command("purge_expired", stdout=StringIO())
    entries = AuditEntry.objects.order_by("pk")
    assert [entry.kind for entry in entries] == ["lock_opened", "lock_opened", "trail_pruned", "trail_pruned"]
    assert [entry.facts.get("position") for entry in entries] == [None, None, 3, 5]
    assert "4 entries" in verify("--head", before)
    past_the_triggers("DELETE FROM audit_trail WHERE position = 6")
    assert "missing: the trail begins at 7" in complaint()


def test_a_lock_is_by_anyone_and_is_listed(alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    out = StringIO()
    call_command("audit", "list", "--user=alice@example.com", "--kind=account_locked", "--since=2020-01-01", stdout=out)
    assert re.fullmatch(r"\S+ \S+ UTC  account_locked +a\*\*\*@example.com  by anyone  127.0.0.1\n", out.getvalue())
