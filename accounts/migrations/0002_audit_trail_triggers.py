# Makes the audit trail append-only, on both databases, and puts in its head.

from collections.abc import Container
from typing import Any

from django.db import migrations

SUBJECT = ("address", "salt")
ACTOR = ("actor_name", "ip", "user_agent", "actor_salt")
CHAIN = ("position", "hash")

# Of an account that was deleted: the address; name and device, unless it was an admin's or an operator's doing.
POSTGRESQL = [
    """
    CREATE FUNCTION audit_trail_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        chain CONSTANT text[] := ARRAY['position', 'hash'];
        subject CONSTANT text[] := ARRAY['address', 'salt'];
        actor CONSTANT text[] := ARRAY['actor_name', 'ip', 'user_agent', 'actor_salt'];
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.position IS NOT NULL AND OLD.occurred_at < now() - interval '365 days' THEN
                RETURN OLD;
            END IF;
        ELSIF OLD.position IS NULL AND to_jsonb(NEW) - chain = to_jsonb(OLD) - chain THEN
            RETURN NEW;
        ELSIF (to_jsonb(NEW) - subject = to_jsonb(OLD) - subject AND NEW.address || NEW.salt = ''
               OR to_jsonb(NEW) - actor = to_jsonb(OLD) - actor AND NEW.ip IS NULL
                  AND NEW.actor_name || NEW.user_agent || NEW.actor_salt = ''
                  AND OLD.actor_kind IN ('user', 'anyone') AND OLD.kind <> 'account_deleted')
              AND EXISTS (SELECT FROM audit_trail WHERE user_id = OLD.user_id AND kind = 'account_deleted') THEN
            RETURN NEW;
        END IF;
        RAISE 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER audit_trail_append_only BEFORE UPDATE OR DELETE ON audit_trail
    FOR EACH ROW EXECUTE FUNCTION audit_trail_append_only()
    """,
    """
    CREATE FUNCTION audit_head_moves_on() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND NEW.position >= OLD.position THEN
            RETURN NEW;
        END IF;
        RAISE 'the head of the audit trail only moves on' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER audit_head_moves_on BEFORE UPDATE OR DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_head_moves_on()
    """,
]

SQLITE = {
    "audit_trail_no_delete": """BEFORE DELETE ON audit_trail
    WHEN OLD.position IS NULL OR OLD.occurred_at >= datetime('now', '-365 days')
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
    """,
    "audit_trail_no_update": """BEFORE UPDATE ON audit_trail
    WHEN NOT (OLD.position IS NULL AND {but_chain}
              AND NOT EXISTS (SELECT 1 FROM audit_trail WHERE position = NEW.position)
              OR ({but_subject} AND NEW.address || NEW.salt = ''
                  OR {but_actor} AND NEW.ip IS NULL AND NEW.actor_name || NEW.user_agent || NEW.actor_salt = ''
                     AND OLD.actor_kind IN ('user', 'anyone') AND OLD.kind <> 'account_deleted')
                 AND EXISTS (SELECT 1 FROM audit_trail WHERE user_id = OLD.user_id AND kind = 'account_deleted'))
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
    """,
    # INSERT OR REPLACE would delete what is in its way, and fire no trigger for that.
    "audit_trail_no_replace": """BEFORE INSERT ON audit_trail
    WHEN EXISTS (SELECT 1 FROM audit_trail WHERE id = NEW.id OR position = NEW.position OR seal = NEW.seal)
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
    """,
    "audit_head_no_delete": """BEFORE DELETE ON audit_head
    BEGIN SELECT RAISE(ABORT, 'the head of the audit trail only moves on'); END
    """,
    "audit_head_no_return": """BEFORE UPDATE ON audit_head WHEN NEW.position < OLD.position
    BEGIN SELECT RAISE(ABORT, 'the head of the audit trail only moves on'); END
    """,
}


def same(model: Any, but: Container[str]) -> str:
    """That an update leaves every column but some as it is."""
    names = [field.column for field in model._meta.fields if field.column not in but]  # noqa: SLF001
    return "(" + " AND ".join(f'OLD."{name}" IS NEW."{name}"' for name in names) + ")"


def statements(apps: Any, vendor: str) -> list[str]:
    if vendor == "postgresql":
        return POSTGRESQL
    entry = apps.get_model("accounts", "AuditEntry")
    but = {"but_chain": same(entry, CHAIN), "but_subject": same(entry, SUBJECT), "but_actor": same(entry, ACTOR)}
    return [f"CREATE TRIGGER {name} {sql.format(**but)}" for name, sql in SQLITE.items()]


def guard(apps: Any, schema_editor: Any) -> None:
    for sql in statements(apps, schema_editor.connection.vendor):
        schema_editor.connection.cursor().execute(sql)


def unguard(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name, table in (("audit_trail_append_only", "audit_trail"), ("audit_head_moves_on", "audit_head")):
            schema_editor.execute(f"DROP TRIGGER {name} ON {table}")
            schema_editor.execute(f"DROP FUNCTION {name}")
        return
    for name in SQLITE:
        schema_editor.execute(f"DROP TRIGGER {name}")


def begin(apps: Any, schema_editor: Any) -> None:
    apps.get_model("accounts", "AuditHead").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunPython(begin, migrations.RunPython.noop),
        migrations.RunPython(guard, unguard),
    ]
