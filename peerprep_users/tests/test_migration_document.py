"""docs/migration.md: its commands, run one after the other on an earlier database."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.tests.servers import ROOT
from peerprep_users.legacy.report import Reason
from peerprep_users.tests.earlier import Earlier, earlier_database, postgresql

pytestmark = pytest.mark.slow

CUT_OVER, _, IN_PLACE = (ROOT / "docs/migration.md").read_text().partition("\n## In place\n")


@pytest.fixture
def earlier() -> Iterator[Earlier]:
    with postgresql() as server, earlier_database(server) as database:
        database.reset()
        database.attempt(database.user("alice@example.com"))
        yield database


def run_commands(text: str, folder: Path, **environment: str) -> None:
    blocks = re.findall(r"^```shell\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    script = (
        "".join(blocks).replace(".venv/bin/python", sys.executable).replace("rows.jsonl", str(folder / "rows.jsonl"))
    )
    assert script.count("import_legacy") >= 2
    variables = {**os.environ, **environment}
    done = subprocess.run(["bash", "-ec", script], cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_cut_over_works_as_it_is_written(earlier: Earlier, tmp_path: Path) -> None:
    run_commands(CUT_OVER, tmp_path, EARLIER=earlier.url, DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}")


def test_so_does_the_one_in_place_and_back(earlier: Earlier, tmp_path: Path) -> None:
    run_commands(IN_PLACE, tmp_path, DATABASE_URL=earlier.url)


def test_it_explains_every_reason() -> None:
    assert [reason for reason in Reason if f"`{reason}`" not in IN_PLACE] == []
