"""The audit trail: nobody changes it unnoticed."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from accounts.audit.chain import chain_entries
from accounts.audit.models import AppendOnly
from accounts.models import AuditEntry, AuditHead
from accounts.tests.audit_entries import complaint, head, verify, write, write_five
from conftest import Person, past_the_triggers


@pytest.fixture
def trail(alice: Person) -> Person:
    write_five(alice.user)
    return alice


ERASE = "UPDATE audit_trail SET address = '', salt = '' WHERE position = 3"
ERASE_ACTOR = "UPDATE audit_trail SET actor_name = '', ip = NULL, user_agent = '', actor_salt = '' WHERE position = 3"
EMPTY = ["DELETE FROM audit_trail", "DELETE FROM audit_head"]
UNCHAIN = ["UPDATE audit_trail SET position = NULL, hash = ''", "UPDATE audit_head SET position = 0, hash = ''"]
UNREADABLE_TIME = "UPDATE audit_trail SET occurred_at = {} WHERE position = 4"
SWAP = [f"UPDATE audit_trail SET position = {to} WHERE position = {at}" for at, to in ((2, 9), (3, 2), (9, 3))]
TAMPERING = {
    "reason": (["UPDATE audit_trail SET reason = 'x' WHERE position = 3"], "position 3", "content changed"),
    "kind": (["UPDATE audit_trail SET kind = 'role_changed' WHERE position = 5"], "position 5", "content changed"),
    "time": (["UPDATE audit_trail SET occurred_at = '2020-01-01' WHERE position = 1"], "position 1", "content changed"),
    "ip": (["UPDATE audit_trail SET ip = '192.0.2.9' WHERE position = 2"], "position 2", "content changed: actor"),
    "address": (["UPDATE audit_trail SET address = 'b' WHERE position = 2"], "position 2", "content changed: address"),
    "unreadable": (UNREADABLE_TIME, "position 4", "content changed: it cannot be read"),
    "head noted": (["UPDATE audit_trail SET after = '' WHERE position = 4"], "position 4", "content changed"),
    "chained anew": (["DELETE FROM audit_trail WHERE position = 1", *UNCHAIN], "position 2", "another chain"),
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
    "erased actor": ([ERASE_ACTOR], "position 3", "erased"),
    "salt": (["UPDATE audit_trail SET salt = '' WHERE position = 3"], "position 3", "erased"),
    "head": (["UPDATE audit_head SET position = 4"], "position 5", "missing"),
    "head taken back": (
        ["UPDATE audit_head SET position = 4, hash = (SELECT hash FROM audit_trail WHERE position = 4)"],
        "position 5",
        "beyond the head",
    ),
    "head deleted": (["DELETE FROM audit_head"], "position 1", "the head is missing"),
    "emptied": (EMPTY, "position 1", "the head is missing"),
    "key": (
        ["UPDATE audit_trail SET seal = 'ffffffff' || substr(seal, 9) WHERE position = 4"],
        "position 4",
        "unknown key",
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_verify_names_the_first_entry_that_is_not_right(trail: Person, name: str) -> None:
    statements, position, what = TAMPERING[name]
    if isinstance(statements, str):
        statements = [statements.format("'infinity'" if connection.vendor == "postgresql" else "'zzz'")]
    assert "5 entries" in verify()
    past_the_triggers(*statements)
    said = complaint()
    assert position in said and what in said
    write(trail.user, 1)
    assert position in complaint()  # also where the next one cannot be chained


def test_it_names_a_copy_where_the_database_takes_one(trail: Person) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite drops no constraint")
    past_the_triggers("ALTER TABLE audit_trail DROP CONSTRAINT audit_trail_no_copies")
    copy = AuditEntry.objects.get(position=5)
    copy.pk, copy.position, copy.hash = None, None, ""
    AuditEntry.objects.bulk_create([copy])
    assert "position 6" in complaint() and "a copy of the one at position 5" in complaint()


def test_a_head_that_is_gone_is_made_anew_by_an_operator_alone(trail: Person, caplog: Any) -> None:
    restart = ("audit", "restart", "--yes", "--reason=restored")
    with pytest.raises(CommandError, match="is there"):
        call_command(*restart)
    past_the_triggers("DELETE FROM audit_head")
    write(trail.user, 1)
    assert chain_entries() == 0 and "its head is missing" in caplog.text
    call_command(*restart, stdout=StringIO())
    assert "7 entries" in verify()
    entry = AuditEntry.objects.latest("pk")
    assert (entry.kind, entry.reason, entry.facts) == ("trail_restarted", "restored", {"position": 5})


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

COLUMNS = ", ".join(f'"{field.column}"' for field in AuditEntry._meta.fields)
COPY = f"INTO audit_trail ({COLUMNS}) SELECT {COLUMNS} FROM audit_trail WHERE position = 2"
# PostgreSQL has no such thing: what it says here is what it says of an update.
REPLACE = "UPDATE audit_trail SET reason = 'x'" if connection.vendor == "postgresql" else f"INSERT OR REPLACE {COPY}"
CHANGES: list[Callable[[], Any]] = [
    lambda: AuditEntry.objects.filter(position=2).update(reason="x"),
    lambda: AuditEntry.objects.filter(position=2).update(address=""),
    lambda: AuditEntry.objects.filter(position=2).update(position=77),
    lambda: AuditEntry.objects.filter(position=2).update(salt="", address="", actor_name="", ip=None, user_agent="x"),
    lambda: AuditEntry.objects.filter(position=2).update(salt="", address=""),
    lambda: AuditEntry.objects.filter(position=2).delete(),
    lambda: AuditHead.objects.update(position=4),
    lambda: AuditHead.objects.all().delete(),
    lambda: connection.cursor().execute(REPLACE),
    lambda: connection.cursor().execute("UPDATE audit_trail SET facts = '{\"a\": 1}'"),
    lambda: connection.cursor().execute("DELETE FROM audit_trail"),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_the_database_refuses_to_change_or_delete_an_entry(trail: Person, number: int) -> None:
    with pytest.raises(DatabaseError, match=r"append-only|only moves on"), transaction.atomic():
        CHANGES[number]()
    assert "5 entries" in verify()


def test_the_model_refuses_it_too(trail: Person) -> None:
    entry = AuditEntry.objects.get(position=2)
    for change in (entry.save, entry.delete):
        with pytest.raises(AppendOnly):
            change()
