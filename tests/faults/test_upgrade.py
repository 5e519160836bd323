"""docs/upgrades.md: each release serves while the next one migrates the database, and then beside it."""

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
from tests.faults.service import Service, replicated

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout


def migrations_of(commit: str) -> frozenset[str]:
    """Their names and hashes."""
    return frozenset(line for line in git("ls-tree", "-r", commit).splitlines() if "/migrations/0" in line)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of each set of migrations that today's have grown from, the code that had it last, oldest first; then today's."""
    today = migrations_of("HEAD")
    last: dict[frozenset[str], str] = {}
    for commit in git("log", "--format=%h").split():
        last.setdefault(migrations_of(commit), commit)
    before = [commit for migrations, commit in last.items() if set() < migrations < today]
    if not before:
        pytest.skip("there is no history of git with fewer migrations")
    return [*(unpacked(commit, tmp_path_factory.mktemp(commit)) for commit in reversed(before)), ROOT]


def unpacked(commit: str, folder: Path) -> Path:
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    if not (folder / "staticfiles").exists():
        (folder / "staticfiles").symlink_to(ROOT / "staticfiles")
    return folder


def applied(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        return {name for (name,) in connection.execute("SELECT app || '.' || name FROM django_migrations")}


def replace(instance: Service, release: Path) -> None:
    instance.process.terminate()
    assert instance.process.wait(PATIENCE) == 0
    instance.code = release
    instance.start()


def test_no_release_notices_the_migrations_of_the_next(
    postgresql: PostgreSQL, releases: list[Path], tmp_path: Path, verify: Callable[..., None]
) -> None:
    first, *later = releases
    with postgresql.database("template0") as database:
        migrate(database, first)
        with replicated(tmp_path, database, first, first) as replicas:
            with Load(replicas, database) as load:
                time.sleep(2)
                for release in later:
                    before = applied(database)
                    migrate(database, release)
                    assert before < applied(database)
                    for instance in replicas.each:
                        time.sleep(2)
                        replace(instance, release)
                time.sleep(2)
            verify(load, slow=True)
            assert [call for call in load.calls if call.status >= 500] == []
