"""Rows for every list; a real browser and a service, for as long as the process of the tests lives."""

from collections.abc import Iterator

import pytest
from django.test import Client
from playwright.sync_api import Browser, Cookie, Page, sync_playwright

from accounts.models import Mail
from conftest import Person, database
from core.models import Event
from core.tests.services import program
from peerprep_users.tests.admin_lists import USERS, fail_logins
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


@pytest.fixture
def world(browser: Client, alice: Person) -> Client:
    """The admin's browser, where every list has a row about Alice."""
    alice.api.post(
        "/api/v1/attempts",
        {"question_id": 5, "language": "python", "submitted_code": "x", "passed_tests": 1, "total_tests": 1},
    )
    Mail.objects.create(kind=Mail.Kind.RESET_CODE, to=alice.user.email)
    fail_logins(alice.user.email, 1)
    browser.post(f"{USERS}{alice.user.pk}/change/", {"name": "Alicia"})
    Event.objects.create(type=Event.Type.USER_RENAMED, user_id=alice.user.pk, data={})
    return browser
