"""What a browser gets where people look: a page that says what to do next, and never JSON."""

from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from accounts.models import User
from conftest import Api, Person, browser_of
from core.tests.browsers import BROWSER

PROGRAMS = ["", "*/*", "application/json", "application/json, text/html"]


def read(answer: Any, status: int, title: str) -> str:
    """The text of the page, which has this status and title."""
    text = unescape(answer.content.decode())
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8"), text
    assert f"<h1>{title}</h1>" in text and f"<title>{title} - PeerPrep</title>" in text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"] and "<script" not in text
    assert answer.headers["X-Request-ID"] and int(answer.headers["Content-Length"]) == len(answer.content)
    return text


def test_the_start_page_leads_on(api: Api) -> None:
    text = read(api.get("/", **BROWSER), 200, "PeerPrep User Service")
    for link in ("docs", "redoc", "readyz", "admin/"):
        assert f'href="{link}"' in text


@pytest.mark.parametrize("accept", PROGRAMS)
@pytest.mark.parametrize("path", ["/", "/admin/nope/"])
def test_a_program_gets_json(api: Api, path: str, accept: str) -> None:
    assert api.get(path, Accept=accept).json() == {"detail": "Not found.", "code": "not_found"}


def test_the_api_answers_a_browser_in_json(api: Api) -> None:
    for path, status in (("/nope", 404), ("/users/me", 401), ("/auth/login", 405)):
        assert api.get(path, **BROWSER).json()["detail"] and api.get(path, **BROWSER).status_code == status


def test_a_path_that_does_not_exist_leads_back_to_the_overview(api: Api) -> None:
    assert 'href="/admin/"' in read(api.get("/admin/nope/", **BROWSER), 404, "There is nothing here")


def test_what_the_admin_site_does_not_offer_is_a_page(admin: Person, alice: Person) -> None:
    path = f"/admin/accounts/user/{alice.user.pk}/delete/"
    text = read(browser_of(admin).get(path, headers=BROWSER), 403, "This is not possible here")
    assert "Nothing was changed" in text


def test_what_is_not_valid_in_an_address_can_be_left_out(admin: Person) -> None:
    answer = browser_of(admin).get("/admin/accounts/user/?_to_field=password", headers=BROWSER)
    assert 'href="?"' in read(answer, 400, "This address does not work")


@pytest.fixture
def tab(admin: Person) -> Client:
    """A browser whose forms have tokens."""
    client = Client(enforce_csrf_checks=True)
    client.cookies = browser_of(admin).cookies
    return client


def send(tab: Client, path: str, fields: dict[str, str], **headers: str) -> Any:
    return tab.post(path, urlencode(fields), "application/x-www-form-urlencoded", headers={**BROWSER, **headers})


def test_a_form_of_an_older_tab_keeps_what_was_typed(tab: Client, alice: Person) -> None:
    path = f"/admin/accounts/user/{alice.user.pk}/deactivate/confirm/"
    sent = {"csrfmiddlewaretoken": "x" * 64, "confirmed": "yes", "reason": "Spam & <more>", "password": "hush"}
    text = read(send(tab, path, sent), 403, "This form is out of date")
    assert "<dt>Reason</dt><dd>Spam & <more></dd>" in text and 'href="">Open the page again' in text
    assert "hush" not in text and "confirmed" not in text
    assert User.objects.get(pk=alice.user.pk).is_active


def test_a_form_whose_session_has_ended_keeps_what_was_typed(admin: Person, alice: Person) -> None:
    browser, path = browser_of(admin), f"/admin/accounts/user/{alice.user.pk}/deactivate/confirm/"
    del browser.cookies["sessionid"]
    text = read(send(browser, path, {"confirmed": "yes", "reason": "Spam"}), 403, "This form is out of date")
    assert "<dt>Reason</dt><dd>Spam</dd>" in text
    assert User.objects.get(pk=alice.user.pk).is_active


def test_log_out_of_an_older_tab_leads_to_a_page_that_has_it(tab: Client) -> None:
    text = read(send(tab, "/admin/logout/", {"csrfmiddlewaretoken": "x" * 64}), 403, "This form is out of date")
    assert '<a class="button" href="/admin/">Open the page again' in text


def test_an_address_that_takes_only_forms_is_a_page(admin: Person) -> None:
    browser = browser_of(admin)
    page = browser.get("/admin/logout/", headers=BROWSER)
    assert "only with the button of a form" in read(page, 405, "There is nothing to open here")
    answer: Any = browser.get("/admin/logout/")
    assert answer.json()["code"] == "method_not_allowed"
    assert (answer.headers["Allow"], answer.headers["X-Frame-Options"]) == ("POST, OPTIONS", "DENY")


def test_who_is_signed_out_already_can_sign_out(db: None) -> None:
    assert send(Client(), "/admin/logout/", {}).headers["Location"] == "/admin/"


def test_what_another_site_sends_is_not_repeated(tab: Client) -> None:
    answer = send(tab, "/admin/login/", {"username": "call 555-0100"}, Origin="https://evil.example")
    assert "555-0100" not in read(answer, 403, "This is not possible here")
