"""docs/migration.md: its commands, run one after the other on an earlier database."""

import os
import re
import shlex
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from conftest import connected_to, database
from core.tests.servers import ROOT
from peerprep_users.legacy.report import Reason
from peerprep_users.tests.earlier import Earlier, earlier_database, postgresql

CUT_OVER, _, IN_PLACE = (ROOT / "docs/migration.md").read_text().partition("\n## In place\n")


@pytest.fixture
def earlier() -> Iterator[Earlier]:
    with postgresql() as server, earlier_database(server) as database:
        database.reset()
        database.attempt(database.user("alice@example.com"))
        yield database


def run_commands(text: str, url: str, folder: Path, blocker: Any) -> None:
    """Runs them in this process, on the database of that URL."""
    commands = "".join(re.findall(r"^```shell\n(.*?)^```", text, re.MULTILINE | re.DOTALL)).splitlines()
    assert sum("import_legacy" in command for command in commands) >= 2
    with blocker.unblock(), connected_to(url):
        for command in commands:
            program, name, *arguments = shlex.split(os.path.expandvars(command))
            assert (program, name) == (".venv/bin/python", "manage.py")
            arguments = [str(folder / each) if each.endswith(".jsonl") else each for each in arguments]
            call_command(*arguments, stdout=StringIO())


@pytest.mark.slow
@pytest.mark.usefixtures("migrated")  # on each kind of database
def test_the_cut_over_works_as_it_is_written(
    earlier: Earlier, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> None:
    monkeypatch.setenv("EARLIER", earlier.url)
    with database(tmp_path_factory) as url:
        run_commands(CUT_OVER, url, tmp_path_factory.mktemp("report"), django_db_blocker)


@pytest.mark.slow
@pytest.mark.skipif(connection.vendor != "postgresql", reason="the earlier service ran on PostgreSQL")
def test_so_does_the_one_in_place_and_back(earlier: Earlier, tmp_path: Path, django_db_blocker: Any) -> None:
    run_commands(IN_PLACE, earlier.url, tmp_path, django_db_blocker)


def test_it_explains_every_reason() -> None:
    assert [reason for reason in Reason if f"`{reason}`" not in IN_PLACE] == []
