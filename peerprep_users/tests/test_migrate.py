"""`manage.py migrate` by several replicas that start at once, and beside those that serve."""

import os
import subprocess
import sys
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django_migration_linter import MigrationLinter

from conftest import connected_to, database
from core.tests.servers import ROOT

COMMAND = [sys.executable, "manage.py", "migrate", "--noinput"]
OWN_APPS = ["core", "accounts", "attempts", "peerprep_users"]

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time anyway")


def start(url: str, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "DATABASE_URL": url}
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("migrated")  # on each kind of database
def test_one_applies_the_migrations_and_the_others_wait(tmp_path_factory: pytest.TempPathFactory) -> None:
    with database(tmp_path_factory) as url:
        replicas = [start(url) for _ in range(3)]
        said = [replica.communicate(timeout=300)[0] for replica in replicas]
    assert [replica.returncode for replica in replicas] == [0, 0, 0], said
    assert sum("Applying accounts.0001_initial" in each for each in said) == 1
    assert sum("No migrations to apply" in each for each in said) == 2


@on_postgresql
def test_a_table_in_use_is_left_to_its_users_and_tried_again(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as user, start(fresh_database, "peerprep_users", "zero", "--yes") as migration:
        user.execute("LOCK TABLE daily_figures IN ACCESS SHARE MODE")
        assert migration.stdout
        assert any("A table is in use. Trying again." in line for line in migration.stdout)
        user.rollback()
        assert migration.wait(300) == 0


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.slow
@pytest.mark.usefixtures("migrated")
def test_it_asks_before_it_goes_back(
    migrated: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database(tmp_path_factory, of=migrated) as url, django_db_blocker.unblock(), connected_to(url):
        with pytest.raises(CommandError, match="Use --yes") as refused:
            call_command("migrate", "attempts", "zero")
        assert (refused.value.returncode, "attempts" in tables()) == (2, True)
        call_command("migrate", "attempts", "zero", fake=True)
        call_command("migrate", "attempts", fake=True)
        call_command("migrate", "attempts", "zero", "--yes")
        assert "attempts" not in tables()
        call_command("migrate", "attempts")
        monkeypatch.setattr("sys.stdin", Terminal("no\ny\n"))
        monkeypatch.setattr("sys.stderr", Terminal())
        with pytest.raises(CommandError, match="Nothing changed"):
            call_command("migrate", "attempts", "zero")
        with pytest.raises(CommandError, match="Use --yes"):
            call_command("migrate", "attempts", "zero", "--noinput")
        assert "attempts" in tables()
        call_command("migrate", "attempts", "zero")
        assert "attempts" not in tables()


def tables() -> list[str]:
    return connection.introspection.table_names()


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_no_migration_keeps_the_release_before_it_from_working(capsys: pytest.CaptureFixture[str]) -> None:
    linter = MigrationLinter(str(ROOT), include_apps=OWN_APPS, no_cache=True, all_warnings_as_errors=True)
    linter.lint_all_migrations()
    assert linter.nb_valid >= 10 and not linter.has_errors, capsys.readouterr().out
