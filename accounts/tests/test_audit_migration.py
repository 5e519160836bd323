"""Security events that were there before the audit trail become entries of it."""

from io import StringIO
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from accounts.models import AuditEntry
from conftest import Person

BEFORE = [("accounts", "0004_known_devices")]


def migrate(to: list[tuple[str, str]]) -> StateApps:
    executor = MigrationExecutor(connection)
    executor.migrate(to)
    return executor.loader.project_state(to).apps


def test_they_are_kept_and_sealed(transactional_db: None, alice: Person) -> None:
    old: Any = migrate(BEFORE).get_model("accounts", "SecurityEvent")
    facts = {"ip": "2001:db8::7", "user_agent": "Netscape 4", "request_id": "7"}
    old.objects.create(kind="password_reset", user_id=alice.user.pk, address="a***@example.com", **facts)
    old.objects.create(kind="account_locked", user_id=None, address="n***@example.com", **facts)
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())
    out = StringIO()
    call_command("audit", "verify", stdout=out)
    assert "sound: 2 entries" in out.getvalue()
    reset, lock = AuditEntry.objects.order_by("pk")
    assert (reset.actor_kind, reset.actor_id, reset.user_id) == ("user", alice.user.pk, alice.user.pk)
    assert (lock.actor_kind, lock.address, lock.user_id) == ("anyone", "n***@example.com", None)
