"""docs/upgrades.md: the release before serves while the database is migrated, and then both versions serve."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from core.tests.servers import ROOT, migrate
from core.tests.waiting import PATIENCE
from tests.faults.load import Load
from tests.faults.neighbours import PostgreSQL
from tests.faults.service import replicated

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout


def migrations_of(commit: str) -> set[str]:
    names = git("ls-tree", "-r", "--name-only", commit).splitlines()
    return {name for name in names if "/migrations/0" in name}


@pytest.fixture(scope="module")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest commit that lacks a migration of today's and has none of its own."""
    today = migrations_of("HEAD")
    commits = git("log", "--format=%H", "--", "*/migrations/0*.py").split()
    found = next((commit for commit in commits if set() < migrations_of(commit) < today), "")
    if not found:
        pytest.skip("there is no history of git with fewer migrations")
    folder = tmp_path_factory.mktemp("before")
    archive = subprocess.run(["git", "archive", found], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    if not (folder / "staticfiles").exists():
        (folder / "staticfiles").symlink_to(ROOT / "staticfiles")
    return folder


def applied(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        return {name for (name,) in connection.execute("SELECT app || '.' || name FROM django_migrations")}


def test_neither_version_notices_the_other(
    postgresql: PostgreSQL, release_before: Path, tmp_path: Path, verify: Callable[..., None]
) -> None:
    with postgresql.database("template0") as database:
        migrate(database, release_before)
        before = applied(database)
        with replicated(tmp_path, database, release_before, release_before) as replicas:
            with Load(replicas, database) as load:
                time.sleep(2)
                with load.fault():
                    migrate(database)
                    time.sleep(2)
                    first = replicas.each[0]
                    first.process.terminate()
                    assert first.process.wait(PATIENCE) == 0
                    first.code = ROOT
                    first.start()
                time.sleep(5)
            verify(load, slow=True)
            assert before < applied(database)
            assert [call for call in load.calls if call.status >= 500] == []
