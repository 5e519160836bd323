# Makes the audit trail append-only on both databases, and creates the head of its chain.

from typing import Any

from django.db import migrations

MESSAGE = "the audit trail is append-only"
YOUNG = {
    "postgresql": "OLD.occurred_at >= now() - interval '365 days'",
    "sqlite": "OLD.occurred_at >= datetime('now', '-365 days')",
}
SEALED = (
    "id, kind, occurred_at, actor_kind, actor_id, user_id, request_id, reason, facts, after_position, after_hash, seal"
)

# Of each trigger its name, what it refuses, and for which rows.
TRIGGERS = [
    ("audit_trail_no_delete", "DELETE ON audit_trail", "OLD.position IS NULL OR {young}"),
    ("audit_trail_sealed", f"UPDATE OF {SEALED} ON audit_trail", "true"),
    ("audit_trail_chained_once", "UPDATE OF position, hash ON audit_trail", "OLD.position IS NOT NULL"),
    ("audit_head_no_delete", "DELETE ON audit_head", "true"),
    ("audit_head_no_return", "UPDATE ON audit_head", "NEW.position < OLD.position"),
]
# OR REPLACE deletes the rows in its way without firing their triggers.
SQLITE_TRIGGERS = [
    (
        "audit_trail_no_insert_or_replace",
        "INSERT ON audit_trail",
        "EXISTS (SELECT 1 FROM audit_trail WHERE id = NEW.id OR position = NEW.position OR seal = NEW.seal)",
    ),
    (
        "audit_trail_no_update_or_replace",
        "UPDATE ON audit_trail",
        "EXISTS (SELECT 1 FROM audit_trail WHERE id <> OLD.id AND position = NEW.position)",
    ),
]


def create_triggers(apps: Any, schema_editor: Any) -> None:
    vendor = schema_editor.connection.vendor
    refusal = f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    if vendor == "postgresql":
        refusal = "EXECUTE FUNCTION audit_append_only()"
        schema_editor.execute(
            "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE '{MESSAGE}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
    for name, event, rows in TRIGGERS + (SQLITE_TRIGGERS if vendor == "sqlite" else []):
        condition = rows.format(young=YOUNG[vendor])
        schema_editor.execute(f"CREATE TRIGGER {name} BEFORE {event} FOR EACH ROW WHEN ({condition}) {refusal}")


def drop_triggers(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION audit_append_only CASCADE")
        return
    for name, _, _ in TRIGGERS + SQLITE_TRIGGERS:
        schema_editor.execute(f"DROP TRIGGER {name}")


def create_head(apps: Any, schema_editor: Any) -> None:
    apps.get_model("accounts", "AuditHead").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunPython(create_head, migrations.RunPython.noop),
        migrations.RunPython(create_triggers, drop_triggers),
    ]
