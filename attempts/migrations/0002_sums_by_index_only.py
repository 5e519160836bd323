"""Lets one index answer the sums over a user's statuses, whose rows are all over the table.

Django's `UniqueConstraint(include=…)` would leave SQLite without the constraint.
"""

from typing import Any

from django.db import migrations

CONSTRAINT = "user_question_status_unique"
COLUMNS = "(user_id, question_id)"
SUMMED = "INCLUDE (attempts, solving_attempts, attempts_to_solve, last_attempt_at, solved_at)"


def replace_constraint(schema_editor: Any, including: str) -> None:
    """Builds the index while others write. Only taking it for the old one needs the table, for a moment."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {CONSTRAINT}_new")  # of an interrupted migration
        schema_editor.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY {CONSTRAINT}_new ON user_question_status {COLUMNS} {including}"
        )
        with schema_editor.connection.schema_editor(atomic=True) as editor:  # which limits the wait for the table
            editor.execute(
                f"ALTER TABLE user_question_status DROP CONSTRAINT {CONSTRAINT}, "
                f"ADD CONSTRAINT {CONSTRAINT} UNIQUE USING INDEX {CONSTRAINT}_new"
            )


def include(apps: Any, schema_editor: Any) -> None:
    replace_constraint(schema_editor, SUMMED)


def leave_out(apps: Any, schema_editor: Any) -> None:
    replace_constraint(schema_editor, "")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("attempts", "0001_initial")]

    operations = [migrations.RunPython(include, leave_out)]
