"""The earlier service's own database: it is not written by mistake, and taken over in place on request."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from core.tests.servers import ROOT, free_port
from peerprep_users.legacy.detection import TAKE_OVER
from peerprep_users.tests.earlier import Earlier, earlier_database, postgresql

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the earlier service ran on PostgreSQL"),
]

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
MANAGE = [sys.executable, "manage.py"]
EARLIER_TABLES = ["alembic_version", "attempts", "password_resets", "refresh_tokens", "user_question_status", "users"]


@pytest.fixture
def earlier() -> Iterator[Earlier]:
    with postgresql() as server, earlier_database(server) as database:
        database.reset()
        yield database


def run(earlier: Earlier, *command: str) -> "subprocess.CompletedProcess[str]":
    variables = {**os.environ, "DATABASE_URL": earlier.url, "PORT": str(free_port()), "WEB_CONCURRENCY": "1"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def tables(earlier: Earlier, schema: str = "public") -> list[str]:
    with psycopg.connect(earlier.url) as database:
        rows = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [schema])
        return [row[0] for row in rows]


@pytest.mark.parametrize(
    "command", [[*MANAGE, "migrate"], [*MANAGE, "work"], GUNICORN], ids=["migrate", "work", "start"]
)
def test_it_is_named_in_a_line_and_nothing_is_left_behind(earlier: Earlier, command: list[str]) -> None:
    done = run(earlier, *command)
    assert done.returncode == 1
    assert done.stderr.removeprefix("CommandError: ") == f"{TAKE_OVER}\n"
    assert tables(earlier) == EARLIER_TABLES


def test_it_is_no_target_either(earlier: Earlier) -> None:
    done = run(earlier, *MANAGE, "import_legacy", "--source", earlier.url)
    assert (done.returncode, done.stderr) == (2, f"CommandError: {TAKE_OVER}\n")


def test_a_dry_run_shows_the_statements_and_runs_none(earlier: Earlier) -> None:
    earlier.user("alice@example.com")
    done = run(earlier, *MANAGE, "import_legacy", "--in-place", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert 'ALTER TABLE "public"."users" SET SCHEMA "legacy";' in done.stdout.splitlines()
    assert tables(earlier) == EARLIER_TABLES


def test_it_asks_first(earlier: Earlier) -> None:
    done = run(earlier, *MANAGE, "import_legacy", "--in-place")
    assert (done.returncode, "Use --yes." in done.stderr, tables(earlier)) == (2, True, EARLIER_TABLES)


def test_what_was_moved_is_imported_and_comes_back(earlier: Earlier) -> None:
    earlier.attempt(earlier.user("alice@example.com"))
    done = run(earlier, *MANAGE, "import_legacy", "--in-place", "--yes")
    assert done.returncode == 0, done.stderr
    assert tables(earlier, "legacy") == EARLIER_TABLES and "sessions" in tables(earlier)
    assert "There was nothing left to import." in run(earlier, *MANAGE, "import_legacy", "--in-place", "--yes").stdout
    assert run(earlier, *MANAGE, "migrate").returncode == 0
    undone = run(earlier, *MANAGE, "import_legacy", "--undo", "--yes")
    assert undone.returncode == 0, undone.stderr
    assert (tables(earlier), tables(earlier, "legacy")) == (EARLIER_TABLES, [])
    assert run(earlier, *MANAGE, "import_legacy", "--in-place", "--yes").returncode == 0


@pytest.mark.parametrize("how", ["--in-place", "--undo"])
def test_it_goes_on_and_back_where_it_was_killed_after_the_move(earlier: Earlier, how: str) -> None:
    earlier.user("alice@example.com")
    earlier.execute("CREATE SCHEMA legacy")
    for name in EARLIER_TABLES:
        earlier.execute(f"ALTER TABLE {name} SET SCHEMA legacy")
    done = run(earlier, *MANAGE, "import_legacy", how, "--yes")
    assert done.returncode == 0, done.stderr
    assert "sessions" in tables(earlier) if how == "--in-place" else tables(earlier) == EARLIER_TABLES


def test_undoing_says_what_it_loses_and_asks_first(earlier: Earlier) -> None:
    earlier.user("alice@example.com")
    run(earlier, *MANAGE, "import_legacy", "--in-place", "--yes")
    earlier.execute("UPDATE legacy.users SET id = id || '-'")  # alice here is none of theirs any more
    done = run(earlier, *MANAGE, "import_legacy", "--undo")
    assert "This loses what the earlier tables do not have: users: 1, attempts: 0." in done.stdout
    assert (done.returncode, "Use --yes." in done.stderr, "sessions" in tables(earlier)) == (2, True, True)


def test_undoing_many_rows_takes_no_longer_than_reading_them(earlier: Earlier) -> None:
    """With more ids than fit into `work_mem`."""
    run(earlier, *MANAGE, "import_legacy", "--in-place", "--yes")
    earlier.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_database()); END $$")
    earlier.execute(
        "INSERT INTO legacy.users (id, email, password_hash) "
        "SELECT gen_random_uuid(), number, '' FROM generate_series(1, 40000) AS number"
    )
    earlier.execute(
        "INSERT INTO users (id, email, password_hash, name, role, is_verified, is_active, created_at, updated_at) "
        "SELECT id::uuid, email, '', 'name', role, true, true, now(), now() FROM legacy.users"
    )
    done = run(earlier, *MANAGE, "import_legacy", "--undo", "--dry-run")
    assert "users: 0, attempts: 0." in done.stdout, done.stderr
