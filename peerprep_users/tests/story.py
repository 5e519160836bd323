"""A newcomer's whole story, over HTTP and mail, against a running server.

`python -m peerprep_users.tests.story --base-url http://127.0.0.1:8001 --smtp-port 2525` plays it against a server that
was started with MAIL_SERVER=127.0.0.1, that MAIL_PORT and PUBLIC_BASE_URL set to the base URL. Through the gateway it
needs `--prefix /api/v1/users`.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
from aiosmtpd.controller import Controller

from core.tests.waiting import wait_until

PASSWORD, NEW_PASSWORD = "correct horse battery", "another horse altogether"
SOLVED = {"question_id": 17, "language": "python", "submitted_code": "print(42)", "passed_tests": 5, "total_tests": 5}
UNSOLVED = {**SOLVED, "passed_tests": 3, "runtime_ms": 12}


@dataclass
class Inbox:
    """The SMTP server that the story's mails arrive at."""

    mails: list[EmailMessage] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # addresses that it takes no mail for

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def next(self, address: str) -> str:
        """The text of the next mail to `address`, waited for."""
        return self.next_body(address, "plain").replace("\r\n", "\n")

    def next_body(self, address: str, kind: str) -> str:
        wait_until(lambda: any(mail["To"] == address for mail in self.mails), f"no mail to {address}")
        mail = next(mail for mail in self.mails if mail["To"] == address)
        self.mails.remove(mail)
        body = mail.get_body((kind,))
        assert body is not None
        return str(body.get_content())


@contextmanager
def inbox(port: int) -> Iterator[Inbox]:
    box = Inbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


class Newcomer:
    """Somebody who has just heard of PeerPrep. Each method is a chapter, in the order in which they are played."""

    def __init__(self, base_url: str, box: Inbox, prefix: str = "") -> None:
        self.prefix = prefix
        self.http = httpx.Client(base_url=base_url, timeout=30, trust_env=False)
        self.box = box
        self.email = f"newcomer-{uuid4().hex[:8]}@example.com"
        self.tokens: dict[str, str] = {}
        self.attempts: list[str] = []

    def call(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        bearer = {"Authorization": f"Bearer {self.tokens['access_token']}"} if self.tokens else {}
        prefix = "" if path.startswith(("/api/", "/verify-email")) else self.prefix
        answer = self.http.request(method, prefix + path, json=body, headers=bearer)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.headers.get("Content-Type") == "application/json" else answer.text

    def registers(self) -> None:
        body = {"email": f" {self.email.upper()}", "password": PASSWORD, "name": "Newcomer"}
        self.tokens = self.call("POST", "/auth/register", body, expect=201)
        assert self.call("GET", "/home") == {"message": "Welcome, Newcomer!"}
        refused = self.call("POST", "/auth/login", self.credentials(), expect=403)
        assert refused["code"] == "email_not_verified"

    def follows_the_link(self) -> None:
        link = urlsplit(find(r"(http\S+/verify-email\?token=\S+)", self.box.next(self.email)))
        page = self.call("GET", f"{link.path}?{link.query}")
        assert "<form" in page
        answer = self.http.post(link.path, data={"token": parse_qs(link.query)["token"][0]})
        assert answer.status_code == 200, answer.text
        assert self.call("POST", "/auth/verify-email", {"token": parse_qs(link.query)["token"][0]}) == {"ok": True}

    def logs_in(self, password: str = PASSWORD) -> None:
        self.tokens = self.call("POST", "/auth/login", self.credentials(password))
        me = self.call("GET", "/users/me")
        assert (me["email"], me["name"], me["role"]) == (self.email, "Newcomer", "USER")
        assert self.call("GET", "/users/is-admin") == {"is_admin": False}

    def submits_attempts(self) -> None:
        for body in [UNSOLVED, SOLVED, {**SOLVED, "question_id": 18}, SOLVED, {**UNSOLVED, "question_id": 19}]:
            answer = self.call("POST", "/api/v1/attempts/", body, expect=201)
            assert answer["is_solved"] == (body["passed_tests"] == body["total_tests"])
            self.attempts.append(answer["id"])

    def looks_back(self) -> None:
        pages = [self.call("GET", f"/api/v1/attempts/me?limit=2&offset={offset}") for offset in (0, 2, 4, 6)]
        assert [len(page) for page in pages] == [2, 2, 1, 0]
        assert [attempt["id"] for page in pages for attempt in page] == self.attempts[::-1]
        summary = self.call("GET", "/api/v1/attempts/me/summary")
        assert (summary["total_attempts"], summary["solved"]) == (5, 2)
        shown = self.call("GET", f"/api/v1/attempts/{self.attempts[0]}")
        assert shown["submitted_code"] == "print(42)"
        assert [row["id"] for row in self.call("GET", "/api/v1/attempts/me/export")] == self.attempts[::-1]
        assert self.call("GET", "/api/v1/attempts/me/export?format=csv").count("\r\n") == 6
        assert self.call("GET", "/users/me/export")["profile"]["email"] == self.email

    def forgets_the_password(self) -> None:
        for _ in range(3):
            wrong = self.call("POST", "/auth/login", self.credentials("was it this one?"), expect=401)
            assert wrong["code"] == "invalid_credentials"
        locked = self.call("POST", "/auth/login", self.credentials(), expect=403)
        assert locked["code"] == "account_locked"
        assert "it is locked for" in self.box.next(self.email)

    def resets_it(self) -> None:
        assert self.call("POST", "/auth/forgot-password", {"email": self.email}) == {"ok": True}
        guess = {"email": self.email, "code": find(r"^ +(\d{6})$", self.box.next(self.email))}
        assert self.call("POST", "/auth/verify-reset-code", guess) == {"ok": True}
        assert self.call("POST", "/auth/reset-password", {**guess, "new_password": NEW_PASSWORD}) == {"ok": True}
        self.call("POST", "/auth/reset-password", {**guess, "new_password": NEW_PASSWORD}, expect=401)
        self.call("GET", "/users/me", expect=401)
        assert "password for your account was changed" in self.box.next(self.email)

    def comes_back(self) -> None:
        self.logs_in(NEW_PASSWORD)
        refreshed = self.call("POST", "/auth/refresh", {"refresh_token": self.tokens["refresh_token"]})
        assert refreshed["token_type"] == "bearer"
        self.tokens = refreshed
        assert self.call("POST", "/auth/verify-password", {"password": NEW_PASSWORD}) == {"ok": True}

    def leaves(self) -> None:
        assert self.call("POST", "/auth/logout") == {"ok": True, "message": "Logged out successfully"}
        self.call("GET", "/users/me", expect=401)
        self.call("POST", "/auth/refresh", {"refresh_token": self.tokens["refresh_token"]}, expect=401)
        self.logs_in(NEW_PASSWORD)
        assert self.call("DELETE", "/users/me") == {"message": "Account deleted successfully."}
        self.call("POST", "/auth/login", self.credentials(NEW_PASSWORD), expect=401)

    def credentials(self, password: str = PASSWORD) -> dict[str, str]:
        return {"email": self.email, "password": password}

    def chapters(self) -> list[Callable[[], None]]:
        return [
            self.registers,
            self.follows_the_link,
            self.logs_in,
            self.submits_attempts,
            self.looks_back,
            self.forgets_the_password,
            self.resets_it,
            self.comes_back,
            self.leaves,
        ]


def find(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match, f"no {pattern} in {text}"
    return match[1]


def main() -> int:
    parser = argparse.ArgumentParser(description="Plays a newcomer's whole story against a running server.")
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--prefix", default="", help="what the gateway has in front of most paths")
    options = parser.parse_args()
    with inbox(options.smtp_port) as box:
        newcomer = Newcomer(options.base_url, box, options.prefix)
        for chapter in newcomer.chapters():
            started = time.monotonic()
            chapter()
            sys.stdout.write(f"{chapter.__name__.replace('_', ' ')}: {time.monotonic() - started:.2f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
