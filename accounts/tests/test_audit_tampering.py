"""The audit trail: no change goes unnoticed."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from accounts.audit.chain import HeadExists, chain_entries, restart
from accounts.audit.log import Actor
from accounts.audit.models import AuditPersonalData
from accounts.models import AuditEntry, AuditHead
from accounts.tests.audit_entries import complaint, delete_entries, head, verify, write, write_five
from conftest import Person, past_the_triggers


@pytest.fixture
def trail(alice: Person) -> Person:
    write_five(alice.user)
    return alice


OF_ENTRY = "entry_id = (SELECT id FROM audit_trail WHERE position = {})"


def change(position: int, change: str) -> list[str]:
    return [f"UPDATE audit_trail SET {change} WHERE position = {position}"]


def change_personal(position: int, change: str) -> list[str]:
    return [f"UPDATE audit_personal SET {change} WHERE {OF_ENTRY.format(position)}"]


SEAL_OF_FOUR = f"(SELECT seal FROM audit_personal WHERE {OF_ENTRY.format(4)})"
LAST_IS_FOUR = "UPDATE audit_head SET position = 4, hash = (SELECT hash FROM audit_trail WHERE position = 4)"
UNCHAIN = ["UPDATE audit_trail SET position = NULL, hash = ''", "UPDATE audit_head SET position = 0, hash = ''"]
SWAP = [*change(2, "position = 9"), *change(3, "position = 2"), *change(9, "position = 3")]
UNREADABLE = "occurred_at = 'infinity'" if connection.vendor == "postgresql" else "user_id = 'zzz'"
TAMPERING = {
    "reason": (change(3, "reason = 'x'"), "Position 3: content changed"),
    "kind": (change(5, "kind = 'role_changed'"), "Position 5: content changed"),
    "time": (change(1, "occurred_at = '2020-01-01'"), "Position 1: content changed"),
    "unreadable": (change(4, UNREADABLE), "Position 4: content changed: it cannot be read"),
    "head noted": (change(4, "after_position = 0, after_hash = ''"), "Position 4: content changed"),
    "seal": (change(4, "seal = 'ffffffff' || substr(seal, 9)"), "Position 4: content changed"),
    "ip": (change_personal(2, "ip = '192.0.2.9'"), "Position 2: personal data changed"),
    "address": (change_personal(2, "address = 'b'"), "Position 2: personal data changed"),
    "address erased": (change_personal(2, "address = ''"), "Position 2: personal data changed"),
    "actor": (change_personal(3, "actor_name = 'b'"), "Position 3: personal data changed"),
    "seal of another": (change_personal(3, f"seal = {SEAL_OF_FOUR}"), "Position 3: personal data changed"),
    "erased": (["DELETE FROM audit_personal"], "Position 1: personal data missing"),
    "rebuilt": ([*delete_entries("position = 1"), *UNCHAIN], "Position 2: order: it was written after another chain"),
    "deleted": (delete_entries("position = 3"), "Position 3: missing"),
    "swapped": (SWAP, "Position 2: order"),
    "end cut off": (delete_entries("position > 3"), "Position 4: missing: the head is 5"),
    "beginning cut off": (delete_entries("position < 3"), "Position 1: missing: the trail begins at 3"),
    "entries gone": (delete_entries("id > 0"), "Position 1: missing"),
    "head": (["UPDATE audit_head SET position = 4"], "Position 5: missing"),
    "head taken back": ([LAST_IS_FOUR], "Position 5: order: it lies beyond the head"),
    "head deleted": (["DELETE FROM audit_head"], "Position 1: the head is missing"),
    "emptied": ([*delete_entries("id > 0"), "DELETE FROM audit_head"], "Position 1: the head is missing"),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_verify_names_the_first_wrong_entry(trail: Person, name: str) -> None:
    statements, said = TAMPERING[name]
    assert "5 entries" in verify()
    past_the_triggers(*statements)
    assert said in complaint()
    write(trail.user, 1)
    assert said.partition(":")[0] in complaint()  # also where the next one cannot be chained


def test_it_names_a_copy_where_the_database_takes_one(trail: Person) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite drops no constraint")
    past_the_triggers("ALTER TABLE audit_trail DROP CONSTRAINT audit_trail_no_copies")
    copy = AuditEntry.objects.get(position=5)
    personal = copy.personal
    copy.pk, copy.position, copy.hash = None, None, ""
    AuditEntry.objects.bulk_create([copy])
    personal.entry = copy
    AuditPersonalData.objects.bulk_create([personal])
    assert "Position 6: order: it is a copy" in complaint()


def test_only_an_operator_recreates_a_missing_head(trail: Person, caplog: Any) -> None:
    with pytest.raises(CommandError, match="already has a head"):
        call_command("audit", "restart")  # before it asks
    with pytest.raises(HeadExists):
        restart(by=Actor.operator(), reason="made while the command asked")
    past_the_triggers("DELETE FROM audit_head")
    write(trail.user, 1)
    assert chain_entries() == 0 and "its head is missing" in caplog.text
    call_command("audit", "restart", "--yes", "--reason=restored", stdout=StringIO())
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
    assert "Position 6: content changed, never written by the service" in complaint()


def test_a_head_from_the_logs_shows_that_the_end_was_cut_off(trail: Person) -> None:
    noted = head()
    assert f"head {noted}" in verify("--head", noted)
    write(trail.user, 1)
    assert "6 entries" in verify("--head", noted)
    past_the_triggers(
        *delete_entries("position > 3"),
        "UPDATE audit_head SET position = 3, hash = (SELECT hash FROM audit_trail WHERE position = 3)",
    )
    assert "3 entries" in verify()  # which alone cannot tell
    assert "the tail was cut off" in complaint("--head", noted)
    write(trail.user, 3)
    assert "it was rewritten" in complaint("--head", noted)


def test_only_configured_keys_verify(trail: Person, settings: Any) -> None:
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another-key-of-at-least-32-characters"
    assert "Position 1" in complaint() and "an unknown SECRET_KEY" in complaint()
    settings.SECRET_KEY_FALLBACKS = [old]
    write(trail.user, 1)
    assert "6 entries" in verify()


def test_an_invalid_head_is_refused(db: None) -> None:
    for text in ("7", "7:abc", f"x:{'0' * 73}"):
        with pytest.raises(CommandError):
            verify("--head", text)


# --- Append-only ----------------------------------------------------------------------------------------------------

COLUMNS = [f'"{field.column}"' for field in AuditEntry._meta.fields]
CHANGES: list[Callable[[], Any]] = [
    lambda: AuditEntry.objects.filter(position=2).update(reason="x"),
    lambda: AuditEntry.objects.filter(position=2).update(position=77),
    lambda: AuditEntry.objects.filter(position=2).delete(),
    lambda: AuditEntry.objects.get(position=2).save(),
    lambda: AuditEntry.objects.get(position=2).delete(),
    lambda: AuditHead.objects.update(position=4),
    lambda: AuditHead.objects.all().delete(),
]
STATEMENTS = ["DELETE FROM audit_trail", *[f"UPDATE audit_trail SET {column} = {column}" for column in COLUMNS]]
REPLACING = [
    f"INSERT OR REPLACE INTO audit_trail ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM audit_trail",
    "UPDATE OR REPLACE audit_trail SET position = 2, hash = 'x' WHERE position IS NULL",
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_the_database_refuses_to_change_or_delete_an_entry(trail: Person, number: int) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        CHANGES[number]()
    assert "5 entries" in verify()


@pytest.mark.parametrize("sql", STATEMENTS)
def test_the_database_refuses_a_statement(trail: Person, sql: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(sql)
    assert "5 entries" in verify()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has OR REPLACE")
@pytest.mark.parametrize("sql", REPLACING, ids=["insert", "update"])
def test_no_entry_is_replaced(trail: Person, sql: str) -> None:
    write(trail.user, 1)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(sql)
    assert "6 entries" in verify()
