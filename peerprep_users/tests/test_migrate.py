"""`manage.py migrate` by several replicas that start at once."""

import os
import subprocess
import sys

import pytest

from conftest import database
from core.tests.servers import ROOT

COMMAND = [sys.executable, "manage.py", "migrate", "--noinput"]


@pytest.mark.slow
def test_one_applies_the_migrations_and_the_others_wait(tmp_path_factory: pytest.TempPathFactory) -> None:
    with database(tmp_path_factory) as url:
        environment = {**os.environ, "DATABASE_URL": url}
        replicas = [
            subprocess.Popen(
                COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for _ in range(4)
        ]
        said = [replica.communicate(timeout=300)[0] for replica in replicas]
    assert [replica.returncode for replica in replicas] == [0, 0, 0, 0], said
    assert sum("Applying accounts.0001_initial" in each for each in said) == 1
    assert sum("No migrations to apply" in each for each in said) == 3
