"""The audit trail: how it is written and what is in it."""

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.audit.chain import chain_entries
from accounts.audit.log import Actor, Kind
from accounts.audit.models import AuditPersonalData
from accounts.flows import administration
from accounts.models import AuditEntry, Role
from accounts.tests.audit_entries import PHONE, complaint, delete_entries, verify, write, write_five
from conftest import Api, Person, Together, past_the_triggers, person
from core.tests.commands import reported


def test_recording_reads_the_head_and_inserts(alice: Person) -> None:
    with CaptureQueriesContext(connection) as queries:
        write(alice.user, 1)
    assert [query["sql"].split()[0] for query in queries.captured_queries] == ["SELECT", "INSERT", "INSERT"]
    assert "FOR " not in queries.captured_queries[0]["sql"]


def test_writers_and_two_chainers_leave_no_gap(together: Together) -> None:
    alice = person("alice@example.com").user
    for turn in range(1, 21):
        together(lambda number: chain_entries() if number < 2 else write(alice, 1), 22)
        chain_entries()
        positions = AuditEntry.objects.order_by("position").values_list("position", flat=True)
        assert list(positions) == list(range(1, 20 * turn + 1))
    assert "400 entries" in verify()


# --- What is in it --------------------------------------------------------------------------------------------------


def test_an_entry_says_who_did_what_to_whom_from_where_and_why(admin: Person, alice: Person) -> None:
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
    with pytest.raises(administration.AlreadyVerified):
        administration.resend_verification(user=alice.user, by=by)
    administration.send_reset_code(user=alice.user, by=by)
    administration.verify_address(user=unverified.user, by=by)
    administration.deactivate(user=alice.user, by=by, reason="left")
    with pytest.raises(administration.AccountDeactivated):
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


def personal(entry: AuditEntry) -> tuple[str, str, str | None, str]:
    return (entry.address, entry.actor_name, entry.ip, entry.user_agent)


def test_deleting_an_account_erases_its_owners_personal_data(alice: Person, admin: Person) -> None:
    write_five(alice.user)
    administration.rename(user=alice.user, name="Alicia", by=Actor.admin(admin.user, PHONE))  # not chained yet
    assert alice.api.delete("/users/me").status_code == 200
    assert "7 entries" in verify()
    of_alice = AuditEntry.objects.filter(user_id=alice.user.pk)
    assert [entry.kind for entry in of_alice if personal(entry) != ("", "", None, "")] == [Kind.ACCOUNT_RENAMED]
    assert personal(of_alice.get(kind=Kind.ACCOUNT_RENAMED)) == ("", "root@example.com", "2001:db8::7", "Netscape 4")
    assert AuditPersonalData.objects.filter(entry__user_id=alice.user.pk).count() == 1
    deletion = of_alice.get(kind=Kind.ACCOUNT_DELETED)
    assert (deletion.actor_kind, deletion.actor_id) == ("user", alice.user.pk)


def test_what_an_admin_did_keeps_their_name_after_they_are_deleted(admin: Person, alice: Person, bob: Person) -> None:
    by = Actor.admin(admin.user, PHONE)
    administration.rename(user=alice.user, name="Alicia", by=by)
    administration.delete(user=bob.user, by=by, reason="spam")
    administration.set_role(user=alice.user, role=Role.ADMIN, by=Actor.operator())
    assert admin.api.delete("/users/me").status_code == 200
    done = AuditEntry.objects.filter(actor_kind="admin")
    assert [(entry.kind, entry.actor_name) for entry in done.order_by("pk")] == [
        ("account_renamed", "root@example.com"),
        ("account_deleted", "root@example.com"),
    ]
    assert "4 entries" in verify()


def test_verify_names_an_erased_admin(admin: Person, alice: Person, bob: Person) -> None:
    by = Actor.admin(admin.user, PHONE)
    administration.rename(user=alice.user, name="Alicia", by=by)
    administration.rename(user=bob.user, name="Bobby", by=by)
    assert alice.api.delete("/users/me").status_code == 200
    assert "3 entries" in verify()
    past_the_triggers("DELETE FROM audit_personal WHERE actor_name = 'root@example.com'")
    assert "Position 1: personal data missing" in complaint()  # of alice, who is deleted, too


def test_an_erasure_does_not_cover_up_a_change(admin: Person, alice: Person) -> None:
    administration.rename(user=alice.user, name="Alicia", by=Actor.admin(admin.user, PHONE))
    AuditPersonalData.objects.update(actor_name="mallory@example.com")
    assert alice.api.delete("/users/me").status_code == 200
    assert "Position 1: personal data changed" in complaint()
    assert AuditPersonalData.objects.get().address == ""


def test_an_export_tells_the_user_nothing_of_the_admins_device(admin: Person, alice: Person) -> None:
    administration.unlock(address=alice.user.email, by=Actor.admin(admin.user, PHONE))
    administration.set_role(user=alice.user, role=Role.ADMIN, by=Actor.admin(admin.user, PHONE), reason="hired")
    found = alice.api.get("/users/me/export").getvalue().decode()
    assert '"role_changed"' in found and "hired" in found
    assert "root@example.com" not in found and "2001:db8::7" not in found
    assert '"role_changed"' in admin.api.get("/users/me/export").getvalue().decode().partition('"admin_actions"')[2]


@pytest.mark.slow
def test_entries_older_than_a_year_are_pruned_and_the_rest_verifies(alice: Person, monkeypatch: Any) -> None:
    monkeypatch.setattr("accounts.audit.chain.CHAIN_BATCH_SIZE", 3)
    with time_machine.travel(timezone.now() - timedelta(days=400)):
        write(alice.user, 5)
    write(alice.user, 2)
    before = verify().split()[-1]
    call_command("purge_expired", stdout=StringIO())
    entries = AuditEntry.objects.order_by("pk")
    assert [entry.kind for entry in entries] == ["lock_opened", "lock_opened", "trail_pruned", "trail_pruned"]
    assert [entry.facts.get("position") for entry in entries] == [None, None, 3, 5]
    assert "4 entries" in verify("--head", before)
    past_the_triggers(*delete_entries("position = 6"))
    assert "missing: the trail begins at 7" in complaint()


def test_a_lock_is_by_anyone_and_is_listed(alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    said, _ = reported("audit", "list", "--user=alice@example.com", "--kind=account_locked", "--since=2020-01-01")
    entry = r"\S+ \S+ UTC  account_locked +a\*\*\*@example.com  by anyone  127.0.0.1"
    assert re.fullmatch(rf"Entries: 1, the newest first.\n{entry}\n", said)


def test_the_list_begins_with_the_newest_and_ends_after_the_last_so_many(alice: Person) -> None:
    write(alice.user, 60)
    verdict, *lines = reported("audit", "list")[0].splitlines()
    assert verdict == "The last 50 of 60 entries, the newest first."
    assert [line.rpartition("no. ")[2] for line in lines] == [str(number) for number in range(59, 9, -1)]
    assert len(reported("audit", "list", "--last=2")[0].splitlines()) == 3


@pytest.mark.parametrize(
    ("since", "count"),
    [("today", 1), ("yesterday", 2), ("2026-11-25", 2), ("2026-11-26T03:00", 0), ("2026-11-26T03:00+02:00", 1)],
)
def test_the_list_begins_at_a_day_or_a_time(alice: Person, since: str, count: int) -> None:
    for day in (24, 25, 26):
        with time_machine.travel(datetime(2026, 11, day, 2, tzinfo=UTC), tick=False):
            write(alice.user, 1)
    with time_machine.travel(datetime(2026, 11, 26, 3, tzinfo=UTC)):
        assert reported("audit", "list", "--since", since)[0].startswith(f"Entries: {count},")


def test_the_list_knows_no_other_words_for_a_time(db: None) -> None:
    for word in ("lately", "0001-01-01T00:00+14:00"):
        with pytest.raises(CommandError, match=r"a time is today, yesterday, .* in UTC\.$"):
            call_command("audit", "list", "--since", word)
