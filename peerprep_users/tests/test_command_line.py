"""`manage.py`: however a command ends, it ends in one line; and what it looks like on a terminal."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

import manage
from conftest import PASSWORD, connected_to, database
from core.tests.servers import ROOT

pytestmark = pytest.mark.slow

MANAGE = [sys.executable, "manage.py"]
NO_DATABASE = {**os.environ, "DATABASE_URL": "sqlite:////nonexistent/db.sqlite3"}
ON_A_TERMINAL = """
import os, pty, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""


@pytest.mark.parametrize("arguments", [["version"], ["diffsettings", "--all"]], ids=["little", "much"])
def test_a_reader_that_stops_reading_is_no_error(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [*MANAGE, *arguments], cwd=ROOT, env=NO_DATABASE, stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("shell", "line", "code"),
    [
        ("version > /dev/full", "No space left on device.", 1),
        ("mail_gallery README.md", "README.md: File exists.", 1),
        ("unlock a@example.com", "The database does not answer: unable to open database file", 1),
        (
            "createsuperuser <&- >&-",
            "Cannot ask without a terminal. Use --noinput and DJANGO_SUPERUSER_PASSWORD.",
            2,
        ),
    ],
)
def test_a_command_that_cannot_go_on_says_why_in_one_line(shell: str, line: str, code: int) -> None:
    script = f"{sys.executable} manage.py {shell}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=NO_DATABASE, stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.stderr.rstrip(), done.returncode) == (line, code)


@pytest.mark.any_database
def test_a_python_without_django_is_told_which_has_it() -> None:
    done = subprocess.run([sys.executable, "-S", "manage.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("Django is not installed for this Python.") and done.returncode == 1


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], django_db_blocker: Any) -> Any:
    """Runs a command on a database in this process, and returns the one line that it ends with."""
    monkeypatch.setattr("os._exit", sys.exit)

    def refusal(url: str, *arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["manage.py", *arguments])
        with django_db_blocker.unblock(), connected_to(url), pytest.raises(SystemExit) as exit_:
            manage.main()
        said = capsys.readouterr()
        (line,) = said.err.splitlines()
        assert (said.out, exit_.value.code) == ("", 1)
        return str(line)

    return refusal


COMMANDS = [["unlock", "a@example.com"], ["explain_login", "a@example.com", "--json"], ["purge_expired"], ["work"]]


def test_a_missing_migration_is_named(
    refusal: Any, migrated: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.Worker.run", lambda self: None)
    with database(tmp_path_factory) as url:
        for command in COMMANDS:
            line = refusal(url, *command)
            assert line.startswith("The database has an older schema: ")
            assert line.endswith(" is not applied. Run `manage.py migrate`.")


@pytest.mark.any_database
def test_a_worker_waits_for_a_database_that_does_not_answer() -> None:
    worker = subprocess.Popen([*MANAGE, "work"], cwd=ROOT, env=NO_DATABASE, stderr=subprocess.PIPE, text=True)
    with worker:
        assert worker.stderr and any("Could not " in line for line in worker.stderr)
        worker.terminate()
        assert worker.wait(60) == 0


def test_a_table_that_no_migration_brings_back_is_no_missing_migration(
    refusal: Any, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with database(tmp_path_factory, of=migrated) as url:
        connect: Any = psycopg.connect if url.startswith("postgres") else sqlite3.connect
        with closing(connect(url.removeprefix("sqlite:///"))) as server:
            server.execute("ALTER TABLE login_guards RENAME TO elsewhere")
            server.commit()
        assert refusal(url, "unlock", "a@example.com").startswith("The database failed: ")


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, *MANAGE, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONUTF8": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def answer(self, question: str, typed: bytes) -> None:
        """Types once exactly the question is there."""
        assert self.process.stdin and self.process.stdout
        assert self.process.stdout.read(len(question)).decode() == question
        self.process.stdin.write(typed)
        self.process.stdin.flush()

    def end(self) -> tuple[list[str], int]:
        """The lines that follow the last answer, and the exit code."""
        with self.process:
            assert self.process.stdout
            lines = self.process.stdout.read().decode(errors="replace").split("\r\n")
        return lines, self.process.returncode


@pytest.mark.any_database
def test_no_log_line_comes_between_a_question_and_its_answer(
    migrated: str, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    with database(tmp_path_factory, of=migrated) as url:
        no_ranges = {"BREACHED_PASSWORDS_DIR": str(tmp_path)}  # of which there is a warning
        for password, said, ended in (
            ("boss", "This password is too short.", 1),
            (PASSWORD, "boss@example.com is now", 0),
        ):
            terminal = Terminal("createsuperuser", DATABASE_URL=url, **no_ranges)
            terminal.answer("E-mail address: ", b"boss@example.com\r")
            terminal.answer("boss@example.com\r\nPassword: ", password.encode() + b"\r")
            terminal.answer("\r\nPassword (again): ", password.encode() + b"\r")
            (_, answer, warning, _), code = terminal.end()
            assert said in answer and code == ended
            assert " WARNING accounts.password_validators " in warning
        terminal = Terminal("createsuperuser", DATABASE_URL=url)
        terminal.answer("E-mail address: ", b"boss@example.com\r")
        (_, answer, _), code = terminal.end()
        assert "An account with this" in answer and "CommandError" not in answer and code == 1


@pytest.mark.any_database
def test_the_progress_of_the_doctor_looks_like_no_error(fresh_database: str) -> None:
    said, _ = Terminal("doctor", DATABASE_URL=fresh_database).end()
    assert said[0].startswith("\r\033[Kdatabase …\r") and "\033[31" not in said[0]


@pytest.mark.parametrize(
    ("key", "line", "code"),
    [
        (b"\x03", "Interrupted.", 130),
        (b"\x04", "No answer was given. Nothing changed.", 2),
        (b"\xff\r", "An argument or an answer is not UTF-8.", 2),
    ],
    ids=["Ctrl-C", "Ctrl-D", "not UTF-8"],
)
def test_a_prompt_without_an_answer_ends_in_one_line(fresh_database: str, key: bytes, line: str, code: int) -> None:
    terminal = Terminal("createsuperuser", "--email=boss@example.com", DATABASE_URL=fresh_database)
    terminal.answer("Password: ", key)
    (echo, *lines), ended = terminal.end()
    assert (echo.removeprefix("^C"), lines, ended) == ("", [line, ""], code)
