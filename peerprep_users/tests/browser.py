"""A real browser, a served instance with an inbox, and what tests do with both."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt
from playwright.sync_api import Browser, Page, ViewportSize

from conftest import PASSWORD
from peerprep_users.tests.story import Inbox

PHONE: ViewportSize = {"width": 390, "height": 844}
PICTURES = Path(__file__).resolve().parents[2] / "docs/images/admin"
DESKTOP: ViewportSize = {"width": 1280, "height": 900}


def page_of(chromium: Browser, *, java_script_enabled: bool, viewport: ViewportSize = PHONE) -> Iterator[Page]:
    context = chromium.new_context(viewport=viewport, java_script_enabled=java_script_enabled)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@dataclass
class Service:
    http: httpx.Client
    box: Inbox
    database: str

    def registered(self, email: str) -> dict[str, str]:
        """Returns the user's tokens."""
        answer = self.http.post("/auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        tokens: dict[str, str] = answer.json()
        return tokens

    def register(self, email: str) -> str:
        """Returns the user's id."""
        claims = jwt.decode(self.registered(email)["access_token"], options={"verify_signature": False})
        return str(claims["sub"])

    def login_status(self, email: str, password: str = PASSWORD) -> int:
        return self.http.post("/auth/login", json={"email": email, "password": password}).status_code


def complaints_of(page: Page, base: str) -> list[str]:
    """What goes wrong on the page from now on: errors, warnings, and whatever is fetched from elsewhere."""
    complaints = list[str]()
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    own = (base, "data:", f"blob:{base}")
    page.on("request", lambda sent: None if sent.url.startswith(own) else complaints.append(sent.url))
    return complaints


def sign_in(page: Page, base: str, email: str) -> None:
    page.goto(f"{base}/admin/login/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{base}/admin/")


def picture(page: Page, name: str) -> None:
    """With `RECORD_SCREENSHOTS=1`, keeps what a desktop shows for the page in docs/admin.md that has this picture."""
    if os.environ.get("RECORD_SCREENSHOTS"):
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size({"width": 1280, "height": 720})
        page.screenshot(path=PICTURES / f"{name}.png")
