"""The earlier service's own database: it is not written by mistake, and taken over in place on request."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from conftest import connected_to
from core.tests.commands import reported
from core.tests.servers import ROOT, free_port
from peerprep_users.legacy.detection import TAKE_OVER
from peerprep_users.tests.earlier import Earlier, earlier_database, postgresql

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the earlier service ran on PostgreSQL"),
]

EARLIER_TABLES = ["alembic_version", "attempts", "password_resets", "refresh_tokens", "user_question_status", "users"]
IN_PLACE = ("import_legacy", "--in-place", "--yes")
UNDO = ("import_legacy", "--undo", "--yes")


@pytest.fixture
def earlier(django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Earlier]:
    """As our own database, and nobody answers questions."""
    monkeypatch.setattr("sys.stdin", StringIO())
    with postgresql() as server, earlier_database(server) as database:
        database.reset()
        with django_db_blocker.unblock(), connected_to(database.url):
            yield database


def tables(earlier: Earlier, schema: str = "public") -> list[str]:
    with psycopg.connect(earlier.url) as database:
        rows = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [schema])
        return [row[0] for row in rows]


def refusal(*command: str) -> tuple[str, int]:
    with pytest.raises(CommandError) as refused:
        call_command(*command, stdout=StringIO())
    return str(refused.value), refused.value.returncode


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "work"],
        ["manage.py", "explain_login", "alice@example.com"],
        ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"],
    ],
    ids=["work", "command", "start"],
)
def test_a_process_that_starts_names_it_in_a_line_and_leaves_nothing_behind(
    earlier: Earlier, command: list[str]
) -> None:
    variables = {**os.environ, "DATABASE_URL": earlier.url, "PORT": str(free_port()), "WEB_CONCURRENCY": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"{TAKE_OVER}\n"
    assert tables(earlier) == EARLIER_TABLES


def test_so_does_a_migration(earlier: Earlier) -> None:
    assert refusal("migrate") == (TAKE_OVER, 1)
    assert tables(earlier) == EARLIER_TABLES


def test_it_is_no_target_either(earlier: Earlier) -> None:
    assert refusal("import_legacy", "--source", earlier.url) == (TAKE_OVER, 2)
    assert tables(earlier) == EARLIER_TABLES


def test_a_dry_run_shows_the_statements_and_runs_none(earlier: Earlier) -> None:
    earlier.user("alice@example.com")
    said, code = reported("import_legacy", "--in-place", "--dry-run")
    assert code == 0 and 'ALTER TABLE "public"."users" SET SCHEMA "legacy";' in said.splitlines()
    assert tables(earlier) == EARLIER_TABLES


def test_a_report_that_is_there_is_refused_before_anything_is_moved(earlier: Earlier, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.touch()
    assert refusal(*IN_PLACE, f"--report={file}") == (f"{file}: File exists.", 2)
    assert tables(earlier) == EARLIER_TABLES


def test_it_asks_first(earlier: Earlier) -> None:
    said, code = refusal("import_legacy", "--in-place")
    assert (code, "Use --yes." in said, tables(earlier)) == (2, True, EARLIER_TABLES)


def test_what_was_moved_is_imported_and_comes_back(earlier: Earlier) -> None:
    earlier.attempt(earlier.user("alice@example.com"))
    assert reported(*IN_PLACE)[1] == 0
    assert tables(earlier, "legacy") == EARLIER_TABLES and "sessions" in tables(earlier)
    assert "There was nothing left to import." in reported(*IN_PLACE)[0]
    assert reported("migrate")[1] == 0
    would_lose = json.loads(reported(*UNDO, "--dry-run", "--json")[0])["lost"]
    assert json.loads(reported(*UNDO, "--json")[0])["lost"] == would_lose == {"users": 0, "attempts": 0}
    assert (tables(earlier), tables(earlier, "legacy")) == (EARLIER_TABLES, [])
    assert reported(*IN_PLACE)[1] == 0


@pytest.mark.parametrize("command", [IN_PLACE, UNDO], ids=["on", "back"])
def test_it_goes_on_and_back_where_it_was_killed_after_the_move(earlier: Earlier, command: tuple[str, ...]) -> None:
    earlier.user("alice@example.com")
    earlier.execute("CREATE SCHEMA legacy")
    for name in EARLIER_TABLES:
        earlier.execute(f"ALTER TABLE {name} SET SCHEMA legacy")
    assert reported(*command)[1] == 0
    assert "sessions" in tables(earlier) if command == IN_PLACE else tables(earlier) == EARLIER_TABLES


def test_undoing_says_what_it_loses_and_asks_first(earlier: Earlier, capsys: pytest.CaptureFixture[str]) -> None:
    earlier.user("alice@example.com")
    reported(*IN_PLACE)
    earlier.execute("UPDATE legacy.users SET id = id || '-'")  # alice here is none of theirs any more
    with pytest.raises(CommandError, match="Use --yes") as refused:
        call_command("import_legacy", "--undo")
    assert "This loses what the earlier tables do not have: users: 1, attempts: 0." in capsys.readouterr().out
    assert (refused.value.returncode, "sessions" in tables(earlier)) == (2, True)


def test_undoing_many_rows_takes_no_longer_than_reading_them(earlier: Earlier) -> None:
    """With more ids than fit into `work_mem`."""
    reported(*IN_PLACE)
    earlier.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_database()); END $$")
    earlier.execute(
        "INSERT INTO legacy.users (id, email, password_hash) "
        "SELECT gen_random_uuid(), number, '' FROM generate_series(1, 40000) AS number"
    )
    earlier.execute(
        "INSERT INTO users (id, email, password_hash, name, role, is_verified, is_active, created_at, updated_at) "
        "SELECT id::uuid, email, '', 'name', role, true, true, now(), now() FROM legacy.users"
    )
    connection.close()  # a new one has the new `work_mem`
    assert "users: 0, attempts: 0." in reported("import_legacy", "--undo", "--dry-run")[0]
