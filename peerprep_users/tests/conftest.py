"""What the tests in a real browser share: one of it and one service, for as long as the process of the tests lives."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Cookie, Page, sync_playwright

from conftest import database
from core.tests.services import program
from peerprep_users.tests.browsing import DESKTOP, PHONE, Service, create_admin, opened, running, sign_in


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = program("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def service(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with database(tmp_path_factory, of=migrated) as url, running(url) as service:
        yield service


@pytest.fixture(scope="session")
def boss(service: Service) -> str:
    """The address of an admin."""
    return create_admin(service)


@pytest.fixture(scope="session")
def signed_in(chromium: Browser, service: Service, boss: str) -> list[Cookie]:
    """The cookies of an admin who has signed in."""
    with opened(chromium, DESKTOP) as page:
        sign_in(page, service.base_url, boss)
        return page.context.cookies()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    with opened(chromium, PHONE, java_script_enabled=False) as page:
        yield page


@pytest.fixture
def desktop(chromium: Browser) -> Iterator[Page]:
    with opened(chromium, DESKTOP) as page:
        yield page


@pytest.fixture
def admins_phone(chromium: Browser, signed_in: list[Cookie]) -> Iterator[Page]:
    with opened(chromium, PHONE, signed_in) as page:
        yield page


@pytest.fixture
def admins_desktop(chromium: Browser, signed_in: list[Cookie]) -> Iterator[Page]:
    with opened(chromium, DESKTOP, signed_in) as page:
        yield page
