"""What an admin does in a real browser: the overview and the failed logins, by keyboard alone, in both themes."""

import re
from datetime import timedelta
from urllib.parse import urljoin

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from core.tests.accessibility import AT_REST, THEMES, choose_theme, contrast
from core.tests.waiting import wait_until
from peerprep_users.tests.browsing import LONG_ADDRESS, Service, activate, complaints_of, manage

pytestmark = pytest.mark.any_database

YESTERDAY = """
from datetime import timedelta
from axes.models import AccessFailureLog
from django.db.models import F
failures = AccessFailureLog.objects.filter(username="%s")
failures.update(attempt_time=F("attempt_time") - timedelta(1), ip_address="192.0.2.7")
"""


@pytest.fixture(scope="session")
def attacked(service: Service) -> str:
    """The address of a user whose account wrong passwords locked yesterday."""
    service.troubled(LONG_ADDRESS)
    manage(service, "shell", "-v", "0", "-c", YESTERDAY % LONG_ADDRESS)
    return LONG_ADDRESS


TOO_WIDE = "all => all.filter(one => Math.max(one.offsetWidth, one.scrollWidth) > one.parentElement.clientWidth).length"


def test_yesterdays_failures_by_client_address_are_three_keys_away(
    admins_desktop: Page, service: Service, attacked: str
) -> None:
    page = admins_desktop
    complaints = complaints_of(page, service.base_url)
    page.goto(f"{service.base_url}/admin/")
    chart = page.get_by_role("region", name="Failed logins and locks", exact=True)
    yesterday = timezone.now() - timedelta(1)
    activate(page, chart.locator("summary"))
    activate(page, chart.get_by_role("link", name=f"{yesterday:%-d %b}", exact=True))
    page.wait_for_url("**attempt_time_from=*")
    assert page.get_by_role("region", name="Summary").locator("table").evaluate_all(TOO_WIDE) == 0
    activate(page, page.get_by_role("link", name="192.0.2.7"))
    page.wait_for_url("**ip_address=192.0.2.7*")
    rows = page.locator("#result_list tbody tr")
    assert rows.count() == 3 and rows.filter(has_text=attacked).count() == 3
    activate(page, rows.first.get_by_role("link", name=attacked))
    page.wait_for_url("**/accounts/user/*/change/")
    assert not complaints


DRAWN_CHART = """canvas => {
    const chart = Chart.getChart(canvas)
    const line = chart.getDatasetMeta(chart.data.datasets.findIndex(one => one.yAxisID === "percent"))
    return {line: line.dataset?.options.borderColor, bar: chart.data.datasets[0].backgroundColor[0],
        ground: getComputedStyle(document.getElementById("main")).backgroundColor}
}"""
FORGET_FIRST = """canvas => {
    const chart = Chart.getChart(canvas)
    chart.data.datasets[0].data[0] = null
    chart.update("none")
    return {x: chart.getDatasetMeta(1).data[0].x, y: chart.chartArea.top + 9}
}"""
TOLD = "canvas => Chart.getChart(canvas).tooltip.body?.map(item => item.lines[0])"
MIDDLE_OF_LAST_BAR = """canvas => {
    const bar = Chart.getChart(canvas).getDatasetMeta(0).data.at(-1)
    return {x: bar.x, y: (bar.y + bar.base) / 2}
}"""


def test_the_overview_can_be_read_and_clicked(admins_desktop: Page, service: Service, attacked: str) -> None:
    page = admins_desktop
    page.goto(f"{service.base_url}/admin/")
    for days in ("90 days", "7 days"):
        page.get_by_role("link", name=days).click()
        expect(page.get_by_role("link", name=days)).to_have_attribute("aria-current", "true")
    page.wait_for_load_state()
    for theme in THEMES:
        choose_theme(page, theme)
        page.evaluate(AT_REST)
        canvas = page.get_by_role("region", name="Attempts and solve rate", exact=True).locator("canvas")
        drawn = canvas.evaluate(DRAWN_CHART)
        assert contrast(drawn["line"], drawn["bar"]) >= 3 and contrast(drawn["line"], drawn["ground"]) >= 3, theme

    canvas = page.get_by_role("region", name="Failed logins and locks", exact=True).locator("canvas")
    canvas.hover(position=canvas.evaluate(FORGET_FIRST))
    wait_until(lambda: canvas.evaluate(TOLD))  # the chart hears of the pointer when the browser draws next
    assert "Failed logins: 0" not in canvas.evaluate(TOLD)  # what is unknown
    canvas = page.get_by_role("region", name="Registrations", exact=True).locator("canvas")
    canvas.click(position=canvas.evaluate(MIDDLE_OF_LAST_BAR))
    page.wait_for_url(f"**/accounts/user/?created_at_from={timezone.now():%Y-%m-%d}*")
    page.get_by_role("link", name=attacked).wait_for()


DRAW_LATE = """
const next = requestAnimationFrame
requestAnimationFrame = draw => next(() => setTimeout(draw, 300))
"""


def test_filters_and_the_own_menu_need_no_mouse(admins_desktop: Page, service: Service, boss: str) -> None:
    page, day = admins_desktop, f"{timezone.now():%Y-%m-%d}"
    complaints = complaints_of(page, service.base_url)
    page.add_init_script(DRAW_LATE)  # as a busy machine does
    page.goto(f"{service.base_url}/admin/accounts/user/?role__exact=ADMIN")
    opener, sheet = page.get_by_role("button", name=re.compile("^Filters")), page.locator("#changelist-filter")
    activate(page, opener)
    expect(sheet.get_by_role("link", name="All").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    expect(sheet).to_be_hidden()
    page.keyboard.press("Enter")
    expect(sheet.get_by_role("link", name="All").first).to_be_focused()
    sheet.get_by_label("From").focus()
    page.keyboard.type(f"{timezone.now():%m%d%Y}")
    page.get_by_role("searchbox").first.focus()  # as Tab does at a list's end, to the numbers of its pages
    expect(sheet).to_be_hidden()
    activate(page, opener)
    expect(sheet.get_by_role("link", name="All").first).to_be_focused()
    activate(page, sheet.get_by_role("button", name="Apply"))
    page.wait_for_url(f"**created_at_from={day}*")

    activate(page, page.get_by_role("button", name=boss))
    expect(page.get_by_role("button", name="Light")).to_be_focused()
    activate(page, page.get_by_role("button", name="Dark"))
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    activate(page, page.get_by_role("button", name="System"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=boss)).to_be_focused()
    assert not complaints


def test_a_long_address_fits_a_phone(admins_phone: Page, service: Service, attacked: str) -> None:
    page, accounts = admins_phone, f"{service.base_url}/admin/accounts/"
    page.goto(f"{accounts}user/?q={attacked}")
    page.locator("#result_list").get_by_role("link", name=attacked).click()
    page.wait_for_url("**/change/*")
    user_id = page.url.split("/")[-3]
    page.goto(f"{accounts}mail/?to={attacked}")
    mail = page.locator("#result_list tbody a").first.get_attribute("href")
    lists = f"session/?user__id__exact={user_id}", f"mail/?to={attacked}", f"auditentry/?user_id={user_id}"
    searches = f"user/?q={attacked}", f"user/?q={200 * 'x'}"
    refused = f"user/{user_id}/reactivate/confirm/"  # a message on the user's page
    for path in (*lists, *searches, mail, refused, f"user/{user_id}/delete/confirm/"):
        page.goto(urljoin(accounts, path))
        for width in (390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.locator("#content :is(h2, p, a, dd)").evaluate_all(TOO_WIDE) == 0, path


def test_a_refused_login_is_told_once(desktop: Page, service: Service) -> None:
    desktop.goto(f"{service.base_url}/admin/login/")
    desktop.get_by_label("E-mail address").fill("nobody@example.com")
    desktop.get_by_label("Password").fill("wrong password")
    desktop.get_by_role("button", name="Log in").click()
    told = desktop.locator(".errornote:visible")
    expect(told).to_have_text(["Enter the e-mail address and the password of an admin."])


def test_a_refused_field_has_the_focus(admins_phone: Page, service: Service, attacked: str) -> None:
    page = admins_phone
    page.goto(f"{service.base_url}/admin/accounts/user/?q={attacked}")
    page.locator("#result_list").get_by_role("link", name=attacked).click()
    page.get_by_label("Name").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Name")).to_be_focused()
