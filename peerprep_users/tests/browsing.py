"""What the tests in a real browser share: a running service, its pages, and how people use them."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import jwt
import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize

from conftest import PASSWORD
from peerprep_users.tests.story import Inbox

PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
FINGER = 44  # CSS pixels, WCAG 2.2 success criterion 2.5.5


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

    def locked(self, email: str) -> str:
        """Returns the id of the user, whom three wrong passwords have locked."""
        user_id = self.register(email)
        for _ in range(3):
            self.login_status(email, "wrong password")
        return user_id


def read(phone: Page, heading: str) -> None:
    """The page has this one heading, its title begins with it, and nothing of it is beside the screen."""
    assert [text.strip() for text in phone.get_by_role("heading").all_inner_texts()] == [heading]
    assert phone.title().startswith(heading)
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert phone.locator("html").get_attribute("lang") == "en"


def press(phone: Page, button: Locator, fields: int | None = None) -> None:
    """By keyboard: it is what Tab reaches first, after the fields; and a finger would not miss it."""
    box = button.bounding_box()
    assert box and box["height"] >= FINGER
    fields = phone.get_by_role("textbox").count() if fields is None else fields
    for _ in range(fields + 1):
        phone.keyboard.press("Tab")
    assert button.evaluate("button => button === document.activeElement")
    with phone.expect_navigation():
        phone.keyboard.press("Enter")


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


def activate(page: Page, target: Locator) -> None:
    """By keyboard alone: with Tab until it has the focus, then Enter."""
    target.wait_for()
    for _ in range(200):
        page.keyboard.press("Tab")
        if target.evaluate("target => target === document.activeElement"):
            page.keyboard.press("Enter")
            return
    pytest.fail(f"Tab does not reach {target}")
