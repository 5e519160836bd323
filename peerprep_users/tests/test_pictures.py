"""The pages of docs/admin.md look as its pictures show them, and each job begins there."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from conftest import database
from core.tests.waiting import wait_until
from peerprep_users.tests.browsing import DESKTOP, Service, create_admin, manage, opened, running, sign_in
from peerprep_users.tests.pictures import picture
from peerprep_users.tests.story import SOLVED

pytestmark = pytest.mark.any_database

EMAIL = "mallory@example.com"
TROUBLE = f"""
from accounts.models import Mail
from peerprep_users.admin_site.daily_stats import count_due_days
refusal = "mail.example.com:25 does not accept mail for this address: 550 5.1.1 No such mailbox"
Mail.objects.create(kind="verification", to="{EMAIL}", state="dead", tries=1, error=refusal)
count_due_days()
"""


@pytest.fixture
def fresh(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that no other test has used."""
    with database(tmp_path_factory, of=migrated) as url, running(url) as service:
        yield service


def wait_for_mails(page: Page, service: Service) -> None:
    """Until none is waiting."""

    def settled() -> bool:
        page.goto(f"{service.base_url}/admin/accounts/mail/")
        return not page.locator("#result_list").get_by_text("queued", exact=True).count()

    wait_until(settled)


def test_the_pictures_show_the_pages_as_they_are(chromium: Browser, fresh: Service) -> None:
    boss = create_admin(fresh)
    with opened(chromium, DESKTOP) as page:
        sign_in(page, fresh.base_url, boss)
        page.get_by_text("Nothing in these 30 days.").first.wait_for()
        signed_in = {"Authorization": f"Bearer {fresh.registered(EMAIL)['access_token']}"}
        fresh.http.post("/api/v1/attempts", json=SOLVED, headers=signed_in)
        wait_for_mails(page, fresh)
        fresh.lock(EMAIL)
        manage(fresh, "shell", "-v", "0", "-c", TROUBLE)
        wait_for_mails(page, fresh)
        for look in (overview, failed_logins, dead_mails, user, users):
            page.goto(f"{fresh.base_url}/admin/")
            look(page, fresh)


def overview(page: Page, service: Service) -> None:
    page.get_by_role("link", name="7 days").click()
    page.wait_for_url("**days=7")
    picture(page, "overview", height=1210)


def failed_logins(page: Page, service: Service) -> None:
    chart = page.get_by_role("region", name="Failed logins and locks", exact=True)
    chart.locator("summary").click()
    chart.get_by_role("link", name="today", exact=True).click()
    page.wait_for_url("**attempt_time_from=*")
    picture(page, "failed-logins")


def dead_mails(page: Page, service: Service) -> None:
    page.goto(f"{service.base_url}/admin/accounts/mail/?outcome=dead")
    page.get_by_text("No such mailbox").wait_for()
    picture(page, "dead-mails")


def user(page: Page, service: Service) -> None:
    content = page.locator("#content")
    page.goto(f"{service.base_url}/admin/accounts/user/?q={EMAIL}")
    page.locator("#result_list").get_by_role("link", name=EMAIL).click()
    page.wait_for_url("**/change/*")
    own = page.url
    picture(page, "user", height=920)
    page.get_by_role("heading", name="Live sessions").evaluate("heading => heading.parentElement.scrollIntoView()")
    picture(page, "user-history", height=980)
    for job in ("Unlock", "Grant admin role", "Export", "Delete"):
        page.goto(own)
        content.get_by_role("link", name=job).first.click()
        content.get_by_role("button", name=job).wait_for()
    picture(page, "delete")


def users(page: Page, service: Service) -> None:
    page.goto(f"{service.base_url}/admin/accounts/user/?q=mallory")
    page.get_by_role("button", name="Export as CSV").wait_for()
    picture(page, "users")
    page.get_by_title("Add user").click()
    page.get_by_label("E-mail address").fill("newcomer@example.com")
    page.get_by_role("button", name="Send the invitation").wait_for()
    picture(page, "invite")
