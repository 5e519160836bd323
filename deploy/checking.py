"""What the checks of this folder have in common: a report, commands, HTTP, and the newcomer's story."""

import contextlib
import http.client
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """What is wrong, in a sentence for a person."""


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def need(wanted: bool, otherwise: str) -> None:
    if not wanted:
        raise Failed(otherwise)


def run(command: list[str], *, timeout: float = 600) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    said = (done.stderr or done.stdout).strip()[-2000:]
    need(done.returncode == 0, f"{Path(command[0]).name} ended with {done.returncode}: {said}")
    return done.stdout.strip()


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


class Report:
    """What was checked, in order, and how it ended."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def check(self, what: str, action: Callable[[], object], *, vital: bool = False) -> None:
        """Run `action`; what it returns is the note beside the result. A failed vital check ends the run."""
        say(what)
        try:
            self.rows.append(("passed", what, str(action() or "")))
        except (Failed, OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
            self.rows.append(("FAILED", what, str(error)))
            print(f"    FAILED: {error}", flush=True)
            if vital:
                raise Failed(what) from error

    def failures(self) -> int:
        return sum(result == "FAILED" for result, _, _ in self.rows)

    def print(self) -> None:
        width = max((len(what) for _, what, _ in self.rows), default=0)
        print()
        for result, what, note in self.rows:
            print(f"{result}  {what:<{width}}  {note.splitlines()[0] if note else ''}".rstrip())
        print(f"\n{len(self.rows) - self.failures()} passed, {self.failures()} failed")


def play_story(python: str, base_url: str, smtp_port: int, *options: str) -> str:
    """Have a newcomer's whole story played against a server that sends its mail to that port."""
    address = ["--base-url", base_url, "--smtp-port", str(smtp_port), *options]
    command = [python, "-m", "peerprep_users.tests.story", *address]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    output = (done.stdout + done.stderr).strip()
    print("\n".join(f"    {line}" for line in output.splitlines()[-60:]), flush=True)
    need(done.returncode == 0, f"it ended with {done.returncode}")
    return f"{time.monotonic() - began:.1f} s"
