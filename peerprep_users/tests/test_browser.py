"""From the mail to the login in a real browser on a phone, which runs no scripts and is used by keyboard."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import jwt
import pytest
import time_machine
from django.utils import timezone
from playwright.sync_api import Locator, Page, ViewportSize, sync_playwright

from accounts.models import User
from accounts.tokens import verification_token
from conftest import PASSWORD
from peerprep_users.tests.servers import free_port, served
from peerprep_users.tests.story import Inbox, inbox

PHONE: ViewportSize = {"width": 390, "height": 844}
FINGER = 44  # CSS pixels, WCAG 2.2 success criterion 2.5.5


@pytest.fixture(scope="module")
def phone() -> Iterator[Page]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        reason = "there is no Chromium: apt-get install chromium"
        pytest.fail(reason) if os.environ.get("REQUIRE_SERVICES") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport=PHONE, java_script_enabled=False)
        context.set_default_timeout(10_000)
        yield context.new_page()
        browser.close()


@dataclass
class Service:
    http: httpx.Client
    box: Inbox

    def register(self, email: str) -> str:
        """Returns the user's id."""
        answer = self.http.post("/auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
        return str(claims["sub"])

    def login_status(self, email: str) -> int:
        return self.http.post("/auth/login", json={"email": email, "password": PASSWORD}).status_code


@pytest.fixture(scope="module")
def service(fresh_database: str) -> Iterator[Service]:
    port = free_port()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), "MAIL_STARTTLS": "false", "WEB_CONCURRENCY": "1"}
    with (
        inbox(port) as box,
        served(free_port(), DATABASE_URL=fresh_database, **mail) as base_url,
        httpx.Client(base_url=base_url, trust_env=False) as http,
    ):
        yield Service(http, box)


def open_mail(phone: Page, service: Service, email: str, folder: Path) -> None:
    mail = folder / "mail.html"
    mail.write_text(service.box.next_body(email, "html"))
    phone.goto(mail.as_uri())
    read(phone, "Confirm your e-mail address")


def read(phone: Page, heading: str) -> None:
    """The page has this one heading, its title begins with it, and nothing of it is beside the screen."""
    assert [text.strip() for text in phone.get_by_role("heading").all_inner_texts()] == [heading]
    assert phone.title().startswith(heading)
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert phone.locator("html").get_attribute("lang") == "en"


def press(phone: Page, button: Locator) -> None:
    """By keyboard: it is what Tab reaches first, after a field if there is one; and a finger would not miss it."""
    box = button.bounding_box()
    assert box and box["height"] >= FINGER
    fields = phone.get_by_role("textbox").count()
    for _ in range(fields + 1):
        phone.keyboard.press("Tab")
    assert button.evaluate("button => button === document.activeElement")
    with phone.expect_navigation():
        phone.keyboard.press("Enter")


def test_a_newcomer_gets_from_the_mail_to_the_login(phone: Page, service: Service, tmp_path: Path) -> None:
    email = "alice@example.com"
    user_id = service.register(email)
    open_mail(phone, service, email, tmp_path)
    phone.get_by_role("link", name="Confirm my address").click()
    read(phone, "Confirm your e-mail address")
    link = phone.url
    assert service.login_status(email) == 403

    press(phone, phone.get_by_role("button", name="Confirm my address"))
    read(phone, "Your address is confirmed")
    assert "sign in" in phone.get_by_role("status").inner_text()
    assert "token" not in phone.url
    assert service.login_status(email) == 200

    phone.goto(link)
    read(phone, "Your address is confirmed already")

    with time_machine.travel(timezone.now() - timedelta(days=3), tick=False):
        old = verification_token(User(pk=user_id, email=email))
    phone.goto(f"{link.partition('?')[0]}?token={old}")
    read(phone, "This link is too old")


def test_whoever_has_no_good_link_gets_a_new_one(phone: Page, service: Service, tmp_path: Path) -> None:
    email = "bob@example.com"
    service.register(email)
    open_mail(phone, service, email, tmp_path)
    phone.goto(f"{service.http.base_url}/verify-email?token=half-of-i")
    read(phone, "This link does not work")
    assert "have a new one sent" in phone.get_by_role("alert").inner_text()

    phone.get_by_label("Your e-mail address").fill("bob@nowhere")  # which the browser lets pass
    phone.get_by_role("button", name="Send a new link").click()
    field = phone.get_by_label("Your e-mail address")
    assert field.get_attribute("aria-invalid") == "true"
    assert phone.get_by_role("alert").inner_text() == "This is no e-mail address."

    field.fill(email)
    phone.get_by_role("heading").click()  # so that Tab begins at the top
    press(phone, phone.get_by_role("button", name="Send a new link"))
    read(phone, "Look into your mailbox")
    open_mail(phone, service, email, tmp_path)
    phone.get_by_role("link", name="Confirm my address").click()
    press(phone, phone.get_by_role("button", name="Confirm my address"))
    assert service.login_status(email) == 200
