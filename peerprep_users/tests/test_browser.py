"""From the mail to the login in a real browser on a phone, which runs no scripts and is used by keyboard."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone
from playwright.sync_api import Locator, Page, Route, expect

from accounts.models import User
from accounts.tokens.jwt import verification_token
from conftest import PASSWORD, find
from core.tests.accessibility import AT_REST, assert_accessible
from peerprep_users.admin_site.sidebar import LISTS
from peerprep_users.tests.browsing import (
    DESKTOP,
    LONG_ADDRESS,
    PHONE,
    Service,
    activate,
    complaints_of,
    press,
    read,
    type_in,
    wait_for_dead_mail,
)
from peerprep_users.tests.story import SOLVED

pytestmark = pytest.mark.any_database


def open_mail(phone: Page, service: Service, email: str, folder: Path) -> None:
    mail = folder / "mail.html"
    mail.write_text(service.box.next_body(email, "html"))
    phone.goto(mail.as_uri())
    read(phone, "Confirm your e-mail address")


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
    expect(phone.get_by_role("status")).to_contain_text("sign in")
    assert "token" not in phone.url
    assert service.login_status(email) == 200

    phone.goto(link)
    read(phone, "Your address is already confirmed")

    with time_machine.travel(timezone.now() - timedelta(days=3), tick=False):
        old = verification_token(User(pk=user_id, email=email))
    phone.goto(f"{link.partition('?')[0]}?token={old}")
    read(phone, "This link has expired")


def test_whoever_has_no_good_link_gets_a_new_one(phone: Page, service: Service, tmp_path: Path) -> None:
    email = "bob@example.com"
    service.register(email)
    open_mail(phone, service, email, tmp_path)
    phone.goto(f"{service.base_url}/verify-email?token=half-of-i")
    read(phone, "This link does not work")
    expect(phone.get_by_role("alert")).to_contain_text("get a new one")

    phone.get_by_label("Your e-mail address").fill("bob@nowhere")  # which the browser lets pass
    phone.get_by_role("button", name="Send a new link").click()
    field = phone.get_by_label("Your e-mail address")
    expect(phone.get_by_role("alert")).to_have_text("Enter a valid e-mail address.")
    expect(field).to_have_attribute("aria-invalid", "true")

    field.fill(email)
    phone.get_by_role("heading").click()  # so that Tab begins at the top
    press(phone, phone.get_by_role("button", name="Send a new link"))
    read(phone, "Check your inbox")
    open_mail(phone, service, email, tmp_path)
    phone.get_by_role("link", name="Confirm my address").click()
    press(phone, phone.get_by_role("button", name="Confirm my address"))
    assert service.login_status(email) == 200


def test_the_reference_asks_no_other_host(desktop: Page, service: Service) -> None:
    complaints = complaints_of(desktop, service.base_url)
    desktop.goto(f"{service.base_url}/redoc")
    desktop.get_by_role("heading", name="Sending an attempt twice").wait_for()
    desktop.get_by_role("link", name="API docs by Redocly").wait_for()
    assert desktop.title() == "API reference - PeerPrep User Service"
    assert desktop.locator("html").get_attribute("lang") == "en" and not complaints


def test_a_call_is_tried_out_as_whoever_was_authorized_before_a_reload(desktop: Page, service: Service) -> None:
    base = service.base_url
    token = service.registered("erin@example.com")["access_token"]
    signed_in = {"Authorization": f"Bearer {token}"}
    recorded = service.http.post("/api/v1/attempts", json=SOLVED, headers=signed_in)
    complaints = complaints_of(desktop, base)
    desktop.goto(f"{base}/docs")
    desktop.get_by_role("button", name="Authorize").click()
    desktop.get_by_label("bearer-value").fill(token)
    desktop.get_by_role("button", name="Apply credentials").first.click()
    desktop.goto(f"{base}/docs#/attempts/listAttempts")
    desktop.reload()
    operation = desktop.locator("#operations-attempts-listAttempts")
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response-col_description code").first
    assert json.loads(answer.inner_text()) == [recorded.json()]
    assert desktop.title() == "Try the API - PeerPrep User Service"
    assert desktop.locator("html").get_attribute("lang") == "en" and not complaints


def test_the_first_field_has_the_focus_on_a_slow_network(desktop: Page, service: Service) -> None:
    def late(route: Route) -> None:
        desktop.evaluate("new Promise(requestAnimationFrame)")  # a frame in which the page is still hidden
        route.continue_()

    desktop.route("**/alpine.js", late)
    desktop.goto(f"{service.base_url}/admin/login/")
    expect(desktop.get_by_label("E-mail address")).to_be_focused()


def test_an_admin_deactivates_somebody(admins_phone: Page, service: Service) -> None:
    service.register("carol@example.com")
    page, base = admins_phone, service.base_url
    complaints = complaints_of(page, base)
    page.goto(f"{base}/admin/accounts/user/?q=carol")
    page.get_by_role("link", name="carol@example.com").click()
    page.get_by_text("carol@example.com cannot sign in.").wait_for()
    page.get_by_role("link", name="Deactivate").click()
    page.get_by_label("Reason").fill("Spam")
    assert page.locator("html").evaluate("html => html.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Deactivate").click()
    page.get_by_text("Deactivated: carol@example.com.").wait_for()
    page.get_by_role("link", name="Reactivate").first.wait_for()
    assert not complaints


def test_an_admin_does_the_usual_jobs_in_few_clicks(admins_desktop: Page, service: Service) -> None:
    page, email = admins_desktop, "lena@example.com"
    service.troubled(email)
    content = page.locator("#content")
    row = content.get_by_role("row").filter(has_text=email)

    def overview(total: str) -> Locator:
        page.goto(f"{service.base_url}/admin/")
        return content.get_by_role("link", name=total)

    def clicked(*steps: Locator) -> int:
        for step in steps:
            step.click()
        return len(steps)

    unlock = content.get_by_role("link", name="Unlock"), content.get_by_role("button", name="Unlock")
    assert clicked(overview("Locked now"), row.get_by_role("link", name=email), *unlock) <= 4
    page.get_by_text(f"Unlocked: {email}.").wait_for()

    assert clicked(overview("Live sessions"), row.get_by_role("link", name="End this session")) == 2
    type_in(page.get_by_label("Reason"), "A lost phone")
    assert clicked(content.get_by_role("button", name="End this session")) == 1
    page.get_by_text(f"Session ended: {email}.").wait_for()

    wait_for_dead_mail(page, service, email)
    service.box.refused.remove(email)
    again = row.get_by_role("link", name="Send again"), content.get_by_role("button", name="Send again")
    assert clicked(overview("Dead mails"), *again) <= 3
    assert "verify-email" in service.box.next(email)


def test_an_admin_needs_no_mouse(admins_desktop: Page, service: Service) -> None:
    page, email = admins_desktop, "kim@example.com"
    service.troubled(email)
    wait_for_dead_mail(page, service, email)
    page.goto(f"{service.base_url}/admin/")
    content = page.locator("#content")
    for name in ("Locked now", email, "Unlock"):
        with page.expect_navigation():
            activate(page, content.get_by_role("link", name=name).first)

    def confirm(job: str, said: str) -> None:
        with page.expect_navigation():
            activate(page, content.get_by_role("button", name=job))
        page.get_by_text(f"{said}: {email}.").wait_for()

    confirm("Unlock", "Unlocked")
    activate(page, content.get_by_role("link", name="End this session"))
    type_in(page.get_by_label("Reason"), "A lost phone")
    confirm("End this session", "Session ended")
    activate(page, content.get_by_role("link", name="Send again"))
    confirm("Send again", "Queued again")


def test_an_invited_user_chooses_a_password(admins_desktop: Page, phone: Page, service: Service) -> None:
    base, email, desktop = service.base_url, "ines@example.com", admins_desktop
    desktop.goto(f"{base}/admin/accounts/user/")
    desktop.get_by_title("Add user").click()
    desktop.get_by_label("E-mail address").fill(email)
    desktop.get_by_role("button", name="Send the invitation").click()
    desktop.get_by_text(f"Invited: {email}.").wait_for()
    link = find(r"(http\S+/verify-email\?token=\S+)", service.box.next(email))
    desktop.goto(link)
    assert_accessible(desktop)
    desktop.get_by_label("Your password").fill("password1")
    desktop.get_by_role("button", name="Set the password").click()
    expect(desktop.get_by_role("alert")).to_contain_text("common")
    assert_accessible(desktop)

    phone.goto(link)
    read(phone, "Choose a password")
    phone.get_by_label("Your password").fill(PASSWORD)
    phone.get_by_role("heading").click()  # so that Tab begins at the top
    press(phone, phone.get_by_role("button", name="Set the password"), fields=2)
    read(phone, "Your password is set")
    assert service.login_status(email) == 200


def test_the_start_page_leads_on(phone: Page, service: Service) -> None:
    base = service.base_url
    phone.goto(base)
    read(phone, "PeerPrep User Service")
    links = phone.get_by_role("link").evaluate_all("all => all.map(one => one.href)")
    assert len(links) == 4 and {service.http.get(link, follow_redirects=True).status_code for link in links} == {200}


def test_a_form_of_an_older_tab_leads_back(admins_phone: Page, service: Service, boss: str) -> None:
    page, base = admins_phone, service.base_url
    page.goto(f"{base}/admin/accounts/user/?q={boss}")
    page.locator("#result_list").get_by_role("link", name=boss).click()
    form = page.url
    page.get_by_label("Name").fill("Boss & Co.")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_role("button", name="Save", exact=True).click()
    read(page, "This form is out of date")
    page.get_by_text("Boss & Co.").wait_for()
    page.get_by_role("link", name="Open the page again").click()
    page.wait_for_url(form)
    page.get_by_label("Name").fill("Boss & Co.")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("was changed successfully").wait_for()


LABELS_ALONE = """all => all.filter(one => one.offsetHeight && !one.innerText.trim()
    && !["none", "normal"].includes(getComputedStyle(one, "::before").content)).map(one => one.className)"""


def test_every_list_fits_a_phone(admins_phone: Page, service: Service) -> None:
    page, email, filled = admins_phone, "paul@example.com", 0
    service.troubled(email)
    wait_for_dead_mail(page, service, email)
    for name in (name for group in LISTS.values() for name in group):
        page.goto(f"{service.base_url}/admin/{name.replace('.', '/').lower()}/")
        usual = page.locator("#result_list .data-row").filter(has_not_text=LONG_ADDRESS)  # of another test, by chance
        boxes = [row.bounding_box() for row in usual.all()]
        assert all(box and box["height"] <= PHONE["height"] / 6 for box in boxes), name
        assert page.locator("#result_list td:not(.action-checkbox)").evaluate_all(LABELS_ALONE) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
        filled += bool(boxes)
    assert filled >= 7


def test_a_list_on_a_phone_can_be_searched_and_taken_away(admins_phone: Page, service: Service, boss: str) -> None:
    page, base = admins_phone, service.base_url
    complaints = complaints_of(page, base)
    page.goto(f"{base}/admin/accounts/user/?q=root")
    page.get_by_role("link", name="matching “root”: remove").click()
    page.wait_for_url(f"{base}/admin/accounts/user/?")
    with page.expect_download() as file:
        page.get_by_role("button", name="Export as CSV").click()
    assert file.value.suggested_filename == "users.csv" and boss in file.value.path().read_text()
    page.get_by_role("button", name="Show or hide the menu").click()
    page.get_by_role("searchbox", name="Address, ID or IP address").fill(boss)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/admin/search/*")
    page.get_by_role("link", name=boss).first.click()
    page.get_by_role("heading", name=boss, exact=True).wait_for()
    page.set_viewport_size(DESKTOP)
    page.goto(f"{base}/admin/accounts/user/?q=root")
    assert page.locator("td.field-live").evaluate("cell => getComputedStyle(cell).textAlign") == "right"
    assert not complaints


DRAWN = """all => all.map(canvas =>
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean))"""
NAMELESS = """all => all.filter(one => {
    const label = document.getElementById(one.getAttribute("aria-labelledby"))
    return !(one.getAttribute("aria-label") || label?.textContent || "").trim()
}).map(one => one.outerHTML.slice(0, 99))"""


def test_the_overview_is_drawn_by_day_and_by_night_and_says_what_it_draws(admins_phone: Page, service: Service) -> None:
    service.register("dora@example.com")
    page, base = admins_phone, service.base_url
    complaints = complaints_of(page, base)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.goto(f"{base}/admin/")
        page.evaluate(AT_REST)
        drawn = page.locator("canvas").evaluate_all(DRAWN)
        assert len(drawn) >= 2 and all(drawn)
        classes = page.locator("html").get_attribute("class") or ""
        assert ("dark" in classes.split()) is (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("#content :is(section, table, [role=img], [role=region])").evaluate_all(NAMELESS) == []
    assert page.locator("canvas").count() == page.locator("[role=img] canvas[aria-hidden=true]").count()

    page.set_viewport_size(DESKTOP)
    for name in ("user", "session", "mail", "auditentry"):
        page.goto(f"{base}/admin/accounts/{name}/")
        assert (
            page.locator("#result_list").evaluate("table => table.scrollWidth - table.parentElement.clientWidth") <= 0
        )
    assert not complaints
