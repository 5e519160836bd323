"""The page of the verification mail's link, as it is answered; `test_browser.py` looks at it in a browser."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Mail, User
from accounts.tokens.jwt import verification_token
from conftest import Api, Mailbox, Person

PAGE = "/verify-email"
FORM = "Send a new link"
BUTTON = "Confirm my address"


def press(api: Api, **fields: str) -> Any:
    return api.client.post(PAGE, fields)


def test_it_verifies_when_its_button_is_pressed_and_not_before(api: Api, unverified: Person) -> None:
    token = verification_token(unverified.user)
    page = api.get(f"{PAGE}?token={token}").content.decode()
    assert token in page and BUTTON in page and FORM not in page
    assert not User.objects.get().is_verified
    assert "<h1>Your address is confirmed</h1>" in press(api, token=token).content.decode()
    assert User.objects.get().is_verified


def test_it_says_so_when_there_is_nothing_left_to_do(api: Api, alice: Person) -> None:
    token = verification_token(alice.user)
    for answer in (api.get(f"{PAGE}?token={token}"), press(api, token=token)):
        assert answer.status_code == 200
        assert "already confirmed" in answer.content.decode() and BUTTON not in answer.content.decode()


def test_it_offers_a_new_link_for_one_that_is_too_old(api: Api, unverified: Person) -> None:
    token = verification_token(unverified.user)
    with time_machine.travel(timezone.now() + timedelta(hours=49)):
        for answer in (api.get(f"{PAGE}?token={token}"), press(api, token=token)):
            page = answer.content.decode()
            assert answer.status_code == 400
            assert "has expired" in page and "48 hours" in page and FORM in page and BUTTON not in page


@pytest.mark.parametrize(
    "token", ["x", "\N{SNAKE}", "a\0b", "<script>", "x" * 10_000], ids=lambda text: ascii(text[:20])
)
def test_it_offers_a_new_link_for_one_that_is_no_good(api: Api, db: None, token: str) -> None:
    for answer in (press(api, token=token), api.client.get(PAGE, {"token": token})):
        page = answer.content.decode()
        assert answer.status_code == 400
        assert "does not work" in page and FORM in page and BUTTON not in page and "<script>" not in page


def test_it_shows_but_the_form_without_a_token(api: Api, db: None) -> None:
    for answer in (api.get(PAGE), api.get(f"{PAGE}?token=")):
        page = answer.content.decode()
        assert answer.status_code == 200 and FORM in page and BUTTON not in page


def test_its_form_sends_a_new_link(api: Api, unverified: Person, mailbox: Mailbox) -> None:
    assert press(api, email=" UNA@example.com ").status_code == 200
    assert "is confirmed<" in press(api, token=mailbox.verification_token()).content.decode()


def test_its_form_answers_alike_whoever_has_the_address(api: Api, unverified: Person, alice: Person) -> None:
    addresses = [unverified.user.email, alice.user.email, "nobody@example.com"]
    assert len({press(api, email=address).content for address in addresses}) == 1
    assert Mail.objects.count() == 3
    for _ in range(7):
        assert "on its way" in press(api, email="una@example.com").content.decode()
    assert Mail.objects.filter(to="una@example.com").count() == 5


@pytest.mark.parametrize(
    "email",
    ["", "una", "una@", '"><script>@x', "a\0@example.com", "x" * 300 + "@example.com"],
    ids=lambda text: ascii(text[:20]),
)
def test_its_form_says_what_is_no_address(api: Api, db: None, email: str) -> None:
    answer = press(api, email=email)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'aria-describedby="problem"' in page and 'id="problem"' in page and "<script>" not in page
    assert not Mail.objects.exists()


def test_it_loads_nothing_and_tells_nobody_of_the_token(api: Api, unverified: Person) -> None:
    answer = api.get(f"{PAGE}?token={verification_token(unverified.user)}")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert not any(part in answer.content.decode() for part in ("<script", "src=", "<link", "//"))


def test_a_body_that_is_no_form_is_answered(api: Api, db: None) -> None:
    for kind in ("application/json", "multipart/form-data", "multipart/form-data; boundary=x", "text/plain"):
        answer = api.client.generic("POST", PAGE, b'{"email": "una@example.com"', kind)
        assert answer.status_code in {400, 415, 422}
