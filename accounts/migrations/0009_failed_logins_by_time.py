# An index on the failed logins of django-axes, whose own migrations cannot have it: the admin site's list, days and
# daily figures, and the purge. On an SQL level, so that Django does not look for it among axes' models.

from typing import Any

from django.db import migrations

INDEX = "failed_logins_newest ON axes_accessfailurelog (attempt_time DESC, id DESC)"


def add_index(apps: Any, schema_editor: Any) -> None:
    drop_index(apps, schema_editor)  # what an interrupted migration has left
    schema_editor.execute(f"CREATE INDEX {concurrently(schema_editor)} {INDEX}")


def drop_index(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS failed_logins_newest")


def concurrently(schema_editor: Any) -> str:
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0008_list_exported"), ("axes", "0010_accessattemptexpiration")]

    operations = [migrations.RunPython(add_index, drop_index)]
