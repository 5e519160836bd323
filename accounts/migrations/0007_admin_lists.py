# What the admin site's lists are ordered, filtered and searched by, where a table has a million rows.

from typing import Any

from django.db import DatabaseError, migrations, models, transaction

TRIGRAMS = {
    "users_email_trigrams": "CREATE INDEX users_email_trigrams ON users USING gin (email gin_trgm_ops)",
    "users_name_trigrams": "CREATE INDEX users_name_trigrams ON users USING gin (upper(name) gin_trgm_ops)",
}


def take_time(apps: Any, schema_editor: Any) -> None:
    """An index of a large table may take longer than the statement timeout of the service."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL statement_timeout = 0")


def index_trigrams(apps: Any, schema_editor: Any) -> None:
    """Search in the middle of addresses and names. Where the extension may not be made, a search reads the table."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError:
        return
    for statement in TRIGRAMS.values():
        schema_editor.execute(statement)


def drop_trigrams(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name in TRIGRAMS:
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_audit_trail_sealed"),
    ]

    operations = [
        migrations.RunPython(take_time, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(fields=["-created_at", "id"], name="mails_newest"),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(condition=models.Q(("state", "dead")), fields=["-created_at"], name="mails_dead"),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(fields=["-created_at", "id"], name="sessions_newest"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(condition=models.Q(("role", "ADMIN")), fields=["-created_at"], name="users_admins"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(condition=models.Q(("is_active", False)), fields=["-created_at"], name="users_inactive"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(("is_verified", False)), fields=["-created_at"], name="users_unverified"
            ),
        ),
        migrations.RunPython(index_trigrams, drop_trigrams),
    ]
