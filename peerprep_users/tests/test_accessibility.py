"""No page of the service has a fault that axe finds, of any level, at any width, in either theme."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Cookie, Page, expect

from core.tests.accessibility import WIDTHS, assert_accessible
from peerprep_users.tests.browsing import DESKTOP, Service, opened, wait_for_dead_mail

pytestmark = pytest.mark.any_database

EMAIL = "olga@example.com"
NARROW, *_, WIDE = WIDTHS


@pytest.fixture(scope="session")
def admins_page(chromium: Browser, signed_in: list[Cookie]) -> Iterator[Page]:
    """One for all tests, since opening another costs as much as a check."""
    with opened(chromium, DESKTOP, signed_in) as page:
        yield page


@pytest.fixture(scope="session")
def olga(admins_page: Page, service: Service) -> str:
    """The path of her page."""
    user_id = service.troubled(EMAIL)
    wait_for_dead_mail(admins_page, service, EMAIL)
    return f"/admin/accounts/user/{user_id}"


def check(page: Page, service: Service, *paths: str) -> None:
    for path in paths:
        page.goto(f"{service.base_url}{path}")
        assert_accessible(page)


def test_pages_for_everybody(desktop: Page, service: Service) -> None:
    check(desktop, service, "/", "/admin/login/", "/verify-email", "/verify-email?token=half-of-i")
    desktop.get_by_label("Your e-mail address").fill("bob@nowhere")
    desktop.get_by_role("button", name="Send a new link").click()
    desktop.get_by_text("Enter a valid e-mail address.").wait_for()
    assert_accessible(desktop)


def test_pages_that_show_no_row(admins_page: Page, service: Service, olga: str) -> None:
    nothing = "/admin/axes/accessfailurelog/?attempt_time_from=2020-01-01&attempt_time_to=2020-01-01"
    check(admins_page, service, "/admin/nope", "/admin/?days=7", nothing, "/admin/core/event/", "/admin/search/?s=zz")


def test_the_filters_of_a_list(admins_page: Page, service: Service) -> None:
    admins_page.goto(f"{service.base_url}/admin/accounts/user/?role__exact=ADMIN")
    admins_page.get_by_role("button", name=re.compile("^Filters")).click()
    admins_page.get_by_role("button", name="Apply").wait_for()
    assert_accessible(admins_page)


def test_forms_and_what_they_answer(admins_page: Page, service: Service) -> None:
    page = admins_page
    check(page, service, "/admin/search/?s=root", "/admin/password_change/", "/admin/accounts/user/add/")
    page.get_by_label("E-mail address").fill("bob@nowhere")
    page.get_by_role("button", name="Send the invitation").click()
    page.get_by_text("Enter a valid e-mail address.").wait_for()
    assert_accessible(page)


def test_a_user_and_what_can_be_done(admins_page: Page, service: Service, olga: str) -> None:
    page = admins_page
    lists = f"/admin/accounts/user/?q={EMAIL}", f"/admin/attempts/questionstatus/?q={EMAIL}"
    check(page, service, *lists, f"{olga}/change/", f"{olga}/export/confirm/", f"{olga}/delete/confirm/")
    page.get_by_label("Reason").fill(" ")
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("This field is required.").wait_for()
    assert_accessible(page)


def test_what_opens_over_a_page(admins_page: Page, service: Service, olga: str, boss: str) -> None:
    page = admins_page
    page.goto(f"{service.base_url}/admin/accounts/user/?q={EMAIL}")
    page.locator("#result_list tbody .action-select").check()
    page.get_by_role("button", name=boss).click()
    assert_accessible(page, [NARROW, WIDE])
    page.keyboard.press("Control+k")
    dialog = page.get_by_role("dialog", name="Search")
    expect(dialog.get_by_role("textbox").or_(dialog.get_by_role("searchbox"))).to_be_focused()
    page.keyboard.type(EMAIL)
    dialog.get_by_role("link", name=EMAIL).first.wait_for()
    assert_accessible(page, [WIDE])


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("accounts/session", "End this session"),
        ("accounts/mail", "Send again"),
        ("accounts/auditentry", ""),
        ("attempts/attempt", ""),
        ("axes/accessfailurelog", ""),
    ],
)
def test_a_list_a_row_of_it_and_what_can_be_done(
    admins_page: Page, service: Service, olga: str, name: str, job: str
) -> None:
    page = admins_page
    path = f"/admin/{name}/?q={EMAIL}"
    check(page, service, path)
    with page.expect_navigation():
        page.locator("#result_list tbody th a, #result_list tbody a").first.click()
    assert_accessible(page)
    if job:
        page.goto(f"{service.base_url}{path}")
        with page.expect_navigation():
            page.get_by_role("link", name=job).first.click()
        assert_accessible(page)
