"""Operations of migrations that keep no one from writing meanwhile. Such a migration is `atomic = False`."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db.migrations.operations import AddIndex, RemoveIndex
from django.db.migrations.operations.base import Operation


class ConcurrentlyOnPostgreSQL(Operation):
    """As usual on SQLite, which has one writer at a time anyway."""

    elsewhere: type[Operation]

    def before(self, schema_editor: Any) -> None:
        """What lets the migration run again after it was interrupted."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            self.before(schema_editor)
            super().database_forwards(app_label, schema_editor, *states)
        else:
            self.elsewhere.database_forwards(self, app_label, schema_editor, *states)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, *states)
        else:
            self.elsewhere.database_backwards(self, app_label, schema_editor, *states)


class AddIndexOnline(ConcurrentlyOnPostgreSQL, AddIndexConcurrently):
    elsewhere = AddIndex

    def before(self, schema_editor: Any) -> None:
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.index.name}")


class RemoveIndexOnline(ConcurrentlyOnPostgreSQL, RemoveIndexConcurrently):
    elsewhere = RemoveIndex
