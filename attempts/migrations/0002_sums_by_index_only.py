"""Lets one index answer the sums over a user's statuses, whose rows are all over the table.

Django's `UniqueConstraint(include=…)` would leave SQLite without the constraint.
"""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CONSTRAINT = "user_question_status_unique UNIQUE (user_id, question_id)"
SUMMED = "INCLUDE (attempts, solving_attempts, attempts_to_solve, last_attempt_at, solved_at)"


def replace_constraint(schema_editor: BaseDatabaseSchemaEditor, including: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE user_question_status DROP CONSTRAINT user_question_status_unique, "
            f"ADD CONSTRAINT {CONSTRAINT} {including}"
        )


def forwards(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    replace_constraint(schema_editor, SUMMED)


def backwards(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    replace_constraint(schema_editor, "")


class Migration(migrations.Migration):
    dependencies = [("attempts", "0001_initial")]

    operations = [migrations.RunPython(forwards, backwards)]
