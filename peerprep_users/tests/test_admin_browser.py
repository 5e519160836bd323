"""What an admin does in a real browser: the overview and the failed logins, by keyboard alone, in both themes."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from core.tests.accessibility import THEMES, assert_accessible, choose_theme, contrast
from peerprep_users.tests.browsing import Service, activate, complaints_of, sign_in
from peerprep_users.tests.pictures import picture
from peerprep_users.tests.story import SOLVED

pytestmark = pytest.mark.any_database

YESTERDAY = """
from datetime import timedelta
from axes.models import AccessFailureLog
from django.db.models import F
from accounts.models import Mail
AccessFailureLog.objects.update(attempt_time=F("attempt_time") - timedelta(1), ip_address="192.0.2.7")
Mail.objects.create(kind="verification", to="mallory@example.com", state="dead", tries=9, error="550 No such mailbox")
"""


@pytest.fixture(scope="module")
def attacked(service: Service) -> str:
    """The address of a user whose account wrong passwords locked yesterday."""
    email = "mallory@example.com"
    token = service.registered(email)["access_token"]
    service.http.post("/api/v1/attempts", json=SOLVED, headers={"Authorization": f"Bearer {token}"})
    for _ in range(3):
        assert service.login_status(email, "wrong password") in {401, 403}
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", YESTERDAY]
    subprocess.run(command, env=os.environ | {"DATABASE_URL": service.database}, check=True, capture_output=True)
    return email


def test_yesterdays_failures_by_client_address_are_three_keys_away(
    desktop: Page, service: Service, boss: str, attacked: str
) -> None:
    page, base = desktop, str(service.http.base_url)
    complaints = complaints_of(page, base)
    sign_in(page, base, boss)
    chart = page.get_by_role("region", name="Failed logins and locks", exact=True)
    yesterday = timezone.now() - timedelta(1)
    activate(page, chart.locator("summary"))
    activate(page, chart.get_by_role("link", name=f"{yesterday:%-d %b}", exact=True))
    page.wait_for_url("**attempt_time_from=*")
    picture(page, "failed-logins")
    activate(page, page.get_by_role("link", name="192.0.2.7"))
    page.wait_for_url("**ip_address=192.0.2.7*")
    rows = page.locator("#result_list tbody tr")
    assert rows.count() == 3 and rows.filter(has_text=attacked).count() == 3
    assert_accessible(page)
    activate(page, rows.first.get_by_role("link", name=attacked))
    page.wait_for_url("**/accounts/user/*/change/")
    assert not complaints


def test_the_failed_logins_of_any_day_are_accessible(desktop: Page, service: Service, boss: str, attacked: str) -> None:
    base = str(service.http.base_url)
    sign_in(desktop, base, boss)
    desktop.goto(f"{base}/admin/axes/accessfailurelog/")
    desktop.get_by_role("link", name="Today").click()
    desktop.get_by_text("Of 0 failed logins here").wait_for()
    assert_accessible(desktop)


DRAWN_CHART = """canvas => {
    const chart = Chart.getChart(canvas)
    const line = chart.getDatasetMeta(chart.data.datasets.findIndex(one => one.yAxisID === "percent"))
    return {line: line.dataset?.options.borderColor, bar: chart.data.datasets[0].backgroundColor[0],
        ground: getComputedStyle(document.getElementById("main")).backgroundColor}
}"""
MIDDLE_OF_LAST_BAR = """canvas => {
    const bar = Chart.getChart(canvas).getDatasetMeta(0).data.at(-1)
    return {x: bar.x, y: (bar.y + bar.base) / 2}
}"""


def test_the_overview_can_be_read_and_clicked(desktop: Page, service: Service, boss: str, attacked: str) -> None:
    page = desktop
    sign_in(page, str(service.http.base_url), boss)
    for days in ("90 days", "7 days"):
        page.get_by_role("link", name=days).click()
        assert page.get_by_role("link", name=days).get_attribute("aria-current") == "true"
    picture(page, "overview")
    assert_accessible(page)
    for theme in THEMES:
        choose_theme(page, theme)
        canvas = page.get_by_role("region", name="Attempts and solve rate", exact=True).locator("canvas")
        drawn = canvas.evaluate(DRAWN_CHART)
        assert contrast(drawn["line"], drawn["bar"]) >= 3 and contrast(drawn["line"], drawn["ground"]) >= 3, theme

    canvas = page.get_by_role("region", name="Registrations", exact=True).locator("canvas")
    canvas.click(position=canvas.evaluate(MIDDLE_OF_LAST_BAR))
    page.wait_for_url(f"**/accounts/user/?created_at_from={timezone.now():%Y-%m-%d}*")
    page.get_by_role("link", name=attacked).wait_for()


def test_each_job_begins_where_its_picture_shows(desktop: Page, service: Service, boss: str, attacked: str) -> None:
    page, base = desktop, str(service.http.base_url)
    content = page.locator("#content")
    sign_in(page, base, boss)
    page.goto(f"{base}/admin/accounts/mail/?outcome=dead")
    page.get_by_text("550 No such mailbox").wait_for()
    picture(page, "dead-mails")
    page.goto(f"{base}/admin/accounts/user/?q={attacked}")
    page.locator("#result_list").get_by_role("link", name=attacked).click()
    user = page.url
    content.get_by_role("link", name="Unlock").first.wait_for()
    picture(page, "user")
    for job in ("Unlock", "Grant admin role", "Export", "Delete"):
        page.goto(user)
        content.get_by_role("link", name=job).first.click()
        content.get_by_role("button", name=job).wait_for()
    picture(page, "delete")
