# An index for the admin site's search in the middle of addresses and names, where PostgreSQL may have pg_trgm.

from typing import Any

from django.db import DatabaseError, migrations, transaction

INDEXES = {
    "users_email_trigrams": "CREATE INDEX users_email_trigrams ON users USING gin (email gin_trgm_ops)",
    "users_name_trigrams": "CREATE INDEX users_name_trigrams ON users USING gin (upper(name) gin_trgm_ops)",
}


def add_indexes(apps: Any, schema_editor: Any) -> None:
    """Where the extension may not be created, a search reads the table."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError:
        return
    for statement in INDEXES.values():
        schema_editor.execute(statement)


def drop_indexes(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name in INDEXES:
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_audit_trail_triggers")]

    operations = [migrations.RunPython(add_indexes, drop_indexes)]
