"""What the tests in a real browser share."""

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from conftest import PASSWORD
from core.tests.servers import free_port, served
from core.tests.services import program
from peerprep_users.tests.browsing import DESKTOP, Service, page_of
from peerprep_users.tests.story import inbox


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    yield from page_of(chromium, java_script_enabled=False)


@pytest.fixture
def admins_phone(chromium: Browser) -> Iterator[Page]:
    """With scripts, which the admin site has."""
    yield from page_of(chromium, java_script_enabled=True)


@pytest.fixture
def desktop(chromium: Browser) -> Iterator[Page]:
    yield from page_of(chromium, java_script_enabled=True, viewport=DESKTOP)


@pytest.fixture(scope="module")
def service(fresh_database: str) -> Iterator[Service]:
    port = free_port()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), "MAIL_STARTTLS": "false", "WEB_CONCURRENCY": "1"}
    with (
        inbox(port) as box,
        served(free_port(), DATABASE_URL=fresh_database, **mail) as base_url,
        httpx.Client(base_url=base_url, trust_env=False) as http,
    ):
        yield Service(http, box, fresh_database)


@pytest.fixture(scope="module")
def boss(service: Service) -> str:
    """The address of an admin."""
    environment = {"DATABASE_URL": service.database, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--email", "root@example.com"]
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
    return "root@example.com"
