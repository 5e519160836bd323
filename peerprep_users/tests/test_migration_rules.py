"""docs/upgrades.md: a migration runs while the release before it serves."""

import re
from collections.abc import Iterator
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

OURS = {"accounts", "attempts", "core", "peerprep_users"}
BEFORE_THE_FIRST_RELEASE = {("accounts", "0004_security_events")}

BREAKS = {
    "removes what the release before reads": r"DROP (COLUMN|TABLE)",
    "renames what the release before reads": r"ALTER TABLE .* RENAME",
    "refuses rows of the release before": r"SET NOT NULL|ADD COLUMN (?!.*DEFAULT).*NOT NULL|DROP DEFAULT",
    "rewrites the table": r"ALTER COLUMN \S+ TYPE",
    "locks the table while it builds an index": r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)",
    "locks the table while it checks all rows": r"ADD CONSTRAINT (?!.*NOT VALID)",
}


def broken_rules(sql: str) -> Iterator[str]:
    """What is wrong with a migration's statements. A table that it creates itself is nobody else's yet."""
    created = set(re.findall(r'CREATE TABLE "(\w+)"', sql))
    for line in sql.splitlines():
        table = re.search(r'(?:ALTER TABLE|DROP TABLE|\bON)(?: IF EXISTS)? "(\w+)"', line)
        if not table or table[1] not in created:
            yield from (f"{what}: {line}" for what, pattern in BREAKS.items() if re.search(pattern, line))


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one replica, which stops for an upgrade")
def test_no_migration_breaks_or_blocks_the_release_before() -> None:
    assert {config.label for config in apps.get_app_configs()} >= OURS
    broken = []
    for app, name in sorted(MigrationLoader(connection).disk_migrations):
        if app in OURS and not name.startswith("0001") and (app, name) not in BEFORE_THE_FIRST_RELEASE:
            call_command("sqlmigrate", app, name, stdout=(out := StringIO()))
            broken += [f"{app}.{name} {what}" for what in broken_rules(out.getvalue())]
    assert broken == []


@pytest.mark.parametrize(
    ("sql", "times"),
    [
        ('ALTER TABLE "users" DROP COLUMN "name" CASCADE;', 1),
        ('DROP TABLE "mails" CASCADE;', 1),
        ('ALTER TABLE "users" RENAME COLUMN "name" TO "title";', 1),
        ('ALTER TABLE "users" ADD COLUMN "title" text NOT NULL;', 1),
        ('ALTER TABLE "users" ADD COLUMN "title" text DEFAULT \'\' NOT NULL;', 0),
        ('ALTER TABLE "users" ALTER COLUMN "title" DROP DEFAULT;', 1),
        ('ALTER TABLE "users" ADD COLUMN "title" text NULL;', 0),
        ('ALTER TABLE "users" ALTER COLUMN "title" SET NOT NULL;', 1),
        ('ALTER TABLE "users" ALTER COLUMN "title" TYPE varchar(9);', 1),
        ('CREATE INDEX "by_title" ON "users" ("title");', 1),
        ('CREATE INDEX CONCURRENTLY "by_title" ON "users" ("title");', 0),
        ('CREATE TABLE "titles" ("id" uuid);\nCREATE INDEX "by_id" ON "titles" ("id");', 0),
        ('ALTER TABLE "users" ADD CONSTRAINT "short" CHECK (true);', 1),
        ('ALTER TABLE "users" ADD CONSTRAINT "short" CHECK (true) NOT VALID;', 0),
    ],
)
def test_the_rules_see_what_locks_or_breaks(sql: str, times: int) -> None:
    assert len([*broken_rules(sql)]) == times
