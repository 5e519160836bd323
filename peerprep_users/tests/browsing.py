"""What the tests in a real browser share: a running service, its pages, and how people use them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import jwt
import pytest
from playwright.sync_api import Browser, Cookie, Locator, Page, StorageState, ViewportSize, expect

from conftest import PASSWORD
from core.tests.servers import free_port, served
from core.tests.waiting import wait_until
from peerprep_users.tests.story import SOLVED, Inbox, inbox

PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
LONG_ADDRESS = "mallory.with.the.longest.name.of.all@students.university.example"
FINGER = 44  # CSS pixels, WCAG 2.2 success criterion 2.5.5


PATIENCE = 60_000  # milliseconds; only a test that fails waits for so long, so a busy machine fails none

expect.set_options(timeout=PATIENCE)


@contextmanager
def opened(
    chromium: Browser, viewport: ViewportSize, cookies: Sequence[Cookie] = (), *, java_script_enabled: bool = True
) -> Iterator[Page]:
    """A page of a new visitor."""
    state = StorageState(cookies=[*cookies], origins=[])
    context = chromium.new_context(viewport=viewport, storage_state=state, java_script_enabled=java_script_enabled)
    context.set_default_timeout(PATIENCE)
    try:
        yield context.new_page()
    finally:
        context.close()


@dataclass
class Service:
    http: httpx.Client
    box: Inbox
    database: str
    base_url: str

    def registered(self, email: str) -> dict[str, str]:
        """Returns the user's tokens."""
        answer = self.http.post("/auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        tokens: dict[str, str] = answer.json()
        return tokens

    def register(self, email: str) -> str:
        """Returns the user's id."""
        return id_in(self.registered(email))

    def login_status(self, email: str, password: str = PASSWORD) -> int:
        return self.http.post("/auth/login", json={"email": email, "password": password}).status_code

    def lock(self, email: str) -> None:
        for _ in range(3):
            self.login_status(email, "wrong password")

    def troubled(self, email: str) -> str:
        """Returns the id of a user with an attempt, whom wrong passwords have locked and no mail reaches."""
        self.box.refused.add(email)
        tokens = self.registered(email)
        signed_in = {"Authorization": f"Bearer {tokens['access_token']}"}
        self.http.post("/api/v1/attempts", json=SOLVED, headers=signed_in)
        self.lock(email)
        return id_in(tokens)


def id_in(tokens: dict[str, str]) -> str:
    return str(jwt.decode(tokens["access_token"], options={"verify_signature": False})["sub"])


@contextmanager
def running(database: str) -> Iterator[Service]:
    port = free_port()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), "MAIL_STARTTLS": "false", "WEB_CONCURRENCY": "1"}
    with (
        inbox(port) as box,
        served(free_port(), DATABASE_URL=database, **mail) as base_url,
        httpx.Client(base_url=base_url, trust_env=False) as http,
    ):
        yield Service(http, box, database, base_url)


def manage(service: Service, *arguments: str, **environment: str) -> None:
    variables = os.environ | {"DATABASE_URL": service.database} | environment
    subprocess.run([sys.executable, "manage.py", *arguments], env=variables, check=True, capture_output=True)


def create_admin(service: Service) -> str:
    """Returns the address."""
    email = "root@example.com"
    manage(service, "createsuperuser", "--noinput", "--email", email, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    return email


def read(phone: Page, heading: str) -> None:
    """The page has this one heading, its title begins with it, and nothing of it is beside the screen."""
    expect(phone.get_by_role("heading")).to_have_text([heading])
    expect(phone).to_have_title(re.compile(f"^{re.escape(heading)}"))
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
    element = target.element_handle()  # looked up once, not at each Tab
    for _ in range(200):
        page.keyboard.press("Tab")
        if element.evaluate("element => element === document.activeElement"):
            page.keyboard.press("Enter")
            return
    pytest.fail(f"Tab does not reach {target}")


def type_in(field: Locator, text: str) -> None:
    """Without going there: the page opens with the focus in this field."""
    wait_until(lambda: field.evaluate("field => field === document.activeElement"), f"{field} has no focus")
    field.press_sequentially(text)


def wait_for_dead_mail(page: Page, service: Service, email: str) -> None:
    """Leaves the list of dead mails open."""

    def shown() -> int:
        page.goto(f"{service.base_url}/admin/accounts/mail/?outcome=dead&q={email}")
        return page.get_by_role("link", name="Send again").count()

    wait_until(shown, f"no mail to {email} is dead")
