"""The tour in the README: each command gets the answer that stands below it."""

import json
import os
import re
import subprocess
from typing import Any

import pytest

from core.tests.servers import ROOT, free_port, served
from core.tests.services import program
from peerprep_users.tests.story import find, inbox

pytestmark = [pytest.mark.slow, pytest.mark.any_database]

VARIABLE = {
    "a token": r"eyJ[\w.-]+…?",
    "an id": r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "a time": r"\b\d{4}-\d\d-\d\dT[\d:.]+Z",
}


def steps() -> list[tuple[str, str]]:
    """The commands of the tour, and what the README says that each answers."""
    tour = find(r"^## A tour in two minutes\n((?s:.*?))^## ", (ROOT / "README.md").read_text())
    return re.findall(r"```sh\n(.*?)```\n\n```json\n(.*?)```", tour, re.DOTALL)


def constant(answer: str) -> Any:
    """An answer without what is another one each time."""
    for name, pattern in VARIABLE.items():
        answer = re.sub(pattern, name, answer)
    return json.loads(answer)


def bash(**variables: str) -> "subprocess.Popen[str]":
    environment = os.environ | variables
    return subprocess.Popen(["bash"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(shell: "subprocess.Popen[str]", command: str) -> str:
    """What a command prints in a shell that goes on."""
    assert shell.stdin and shell.stdout
    shell.stdin.write(f"{command}\necho; echo done\n")
    shell.stdin.flush()
    return "".join(iter(shell.stdout.readline, "done\n"))


def test_it_goes_as_the_readme_says(fresh_database: str) -> None:
    program("curl")
    port = free_port()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), "MAIL_STARTTLS": "false"}
    with (
        inbox(port) as box,
        served(free_port(), DATABASE_URL=fresh_database, **mail) as base_url,
        bash(no_proxy="127.0.0.1") as shell,
    ):
        assert len(steps()) > 5
        for command, answer in steps():
            typed = command.replace("http://localhost:8001", base_url)
            if "<token from the mail>" in typed:
                token = find(r"/verify-email\?token=(\S+)", box.next("alice@example.com"))
                typed = typed.replace("<token from the mail>", token)
            assert constant(ask(shell, typed)) == constant(answer), command
