# Seals the entries that are there, as they are sealed when they are written from now on, and makes the trail append-only.

import hashlib
import json
import secrets
from collections.abc import Container
from datetime import UTC
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.utils.crypto import salted_hmac

OWN = {"password_reset", "password_changed"}  # by whoever knows the password, or has the mailbox
PERSONAL = {"address": "", "actor_name": "", "ip": None, "user_agent": "", "salt": ""}
CHAIN = ("position", "hash")


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def seal(apps: Any, schema_editor: Any) -> None:
    key_id = salted_hmac("accounts.audit-key", "", settings.SECRET_KEY, algorithm="sha256").hexdigest()[:8]
    for row in apps.get_model("accounts", "AuditEntry").objects.order_by("pk").iterator():
        if row.kind in OWN and row.user_id:
            row.actor_kind, row.actor_id = "user", row.user_id
        ip = row.ip and str(ip_address(row.ip))
        row.salt = secrets.token_hex(16)
        personal = [row.salt, row.address, row.actor_name, ip, row.user_agent]
        row.commitment = hashlib.sha256(canonical(personal).encode()).hexdigest()
        time = row.occurred_at.astimezone(UTC).isoformat()
        actor = [row.actor_kind, row.actor_id]
        content = [row.kind, time, *actor, row.user_id, row.request_id, row.reason, row.facts, row.commitment]
        mac = salted_hmac("accounts.audit-seal", canonical(content), settings.SECRET_KEY, algorithm="sha256")
        row.seal = f"{key_id}.{mac.hexdigest()}"
        row.save(update_fields=["actor_kind", "actor_id", "salt", "commitment", "seal"])


POSTGRESQL = [
    """
    CREATE FUNCTION audit_trail_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        chain CONSTANT text[] := ARRAY['position', 'hash'];
        personal CONSTANT text[] := ARRAY['address', 'actor_name', 'ip', 'user_agent', 'salt'];
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.position IS NOT NULL AND OLD.occurred_at < now() - interval '365 days' THEN
                RETURN OLD;
            END IF;
        ELSIF OLD.position IS NULL AND to_jsonb(NEW) - chain = to_jsonb(OLD) - chain
           OR to_jsonb(NEW) - personal = to_jsonb(OLD) - personal AND NEW.ip IS NULL
              AND NEW.address || NEW.actor_name || NEW.user_agent || NEW.salt = '' THEN
            RETURN NEW;
        END IF;
        RAISE 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER audit_trail_append_only BEFORE UPDATE OR DELETE ON audit_trail
    FOR EACH ROW EXECUTE FUNCTION audit_trail_append_only()
    """,
]

SQLITE = [
    """
    CREATE TRIGGER audit_trail_no_delete BEFORE DELETE ON audit_trail
    WHEN OLD.position IS NULL OR OLD.occurred_at >= datetime('now', '-365 days')
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
    """,
    """
    CREATE TRIGGER audit_trail_no_update BEFORE UPDATE ON audit_trail
    WHEN NOT (OLD.position IS NULL AND {but_chain}
              OR {but_personal} AND NEW.ip IS NULL
                 AND NEW.address || NEW.actor_name || NEW.user_agent || NEW.salt = '')
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
    """,
]


def same(model: Any, but: Container[str]) -> str:
    """That an update leaves every column but some as it is."""
    names = [field.column for field in model._meta.fields if field.column not in but]  # noqa: SLF001
    return "(" + " AND ".join(f'OLD."{name}" IS NEW."{name}"' for name in names) + ")"


def statements(apps: Any, vendor: str) -> list[str]:
    if vendor == "postgresql":
        return POSTGRESQL
    entry = apps.get_model("accounts", "AuditEntry")
    return [sql.format(but_chain=same(entry, CHAIN), but_personal=same(entry, PERSONAL)) for sql in SQLITE]


def guard(apps: Any, schema_editor: Any) -> None:
    for sql in statements(apps, schema_editor.connection.vendor):
        schema_editor.connection.cursor().execute(sql)


def unguard(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER audit_trail_append_only ON audit_trail")
        schema_editor.execute("DROP FUNCTION audit_trail_append_only")
        return
    for name in ("audit_trail_no_delete", "audit_trail_no_update"):
        schema_editor.execute(f"DROP TRIGGER {name}")


def begin(apps: Any, schema_editor: Any) -> None:
    apps.get_model("accounts", "AuditHead").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_audit_trail")]

    operations = [
        migrations.RunPython(seal, migrations.RunPython.noop),
        migrations.RunPython(begin, migrations.RunPython.noop),
        migrations.AddConstraint(
            "AuditEntry", models.UniqueConstraint(fields=["position"], name="audit_trail_position_once")
        ),
        migrations.AddConstraint("AuditEntry", models.UniqueConstraint(fields=["seal"], name="audit_trail_no_copies")),
        migrations.AddConstraint(
            "AuditEntry",
            models.CheckConstraint(
                condition=models.Q(
                    models.Q(("hash", ""), ("position", None)),
                    models.Q(("position__gte", 1), models.Q(("hash", ""), _negated=True)),
                    _connector="OR",
                ),
                name="audit_trail_chained_whole",
            ),
        ),
        migrations.AddIndex("AuditEntry", models.Index(fields=["-occurred_at"], name="audit_trail_newest")),
        migrations.AddIndex("AuditEntry", models.Index(fields=["user_id", "-occurred_at"], name="audit_trail_of_user")),
        migrations.AddIndex(
            "AuditEntry", models.Index(fields=["actor_id", "-occurred_at"], name="audit_trail_by_actor")
        ),
        migrations.AddIndex(
            "AuditEntry",
            models.Index(fields=["id"], condition=models.Q(("position", None)), name="audit_trail_unchained"),
        ),
        migrations.RunPython(guard, unguard),
    ]
