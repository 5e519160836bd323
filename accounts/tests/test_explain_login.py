"""`manage.py explain_login EMAIL`: why can't this user sign in?"""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.audit.log import NO_CLIENT, Actor
from accounts.flows.administration import deactivate
from accounts.flows.login_report import explain_login
from accounts.models import LoginGuard, Mail
from conftest import Api, Person
from core.tests.commands import reported


def explained(email: str) -> str:
    """What the command says, whether or not the user can sign in."""
    return reported("explain_login", email)[0]


def test_it_says_that_nothing_is_wrong(alice: Person, api: Api) -> None:
    api.post("/auth/login", {**alice.credentials, "password": "wrong password"})
    api.post("/auth/login", alice.credentials)
    said, code = reported("explain_login", "ALICE@example.com")
    assert code == 0 and said.startswith("Nothing keeps alice@example.com from signing in with the right password.\n")
    assert "live sessions: 2\n" in said
    told = [line.partition("UTC  ")[2] for line in said.splitlines() if "UTC  " in line]
    assert told == [
        "Signed in. (an unknown device, 127.0.0.1)",
        "A wrong password was given. (an unknown device, 127.0.0.1)",
        "Signed in. (pytest, 192.0.2.1)",
        "The account was created.",
    ]


def test_a_session_that_can_be_refreshed_no_longer_has_expired(alice: Person) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        said = explained("alice@example.com")
    assert "live sessions: 0" in said and "A session expired. (pytest, 192.0.2.1)" in said


def test_it_knows_an_address_that_nobody_has(db: None) -> None:
    assert "There is no account with this address." in explained("x@example.com")


def test_it_says_how_the_lock_of_an_address_without_an_account_is_opened(db: None, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {"email": "x@example.com", "password": "wrong"})
    *_, lock, remedy = explained("x@example.com").splitlines()
    assert lock.startswith("The address is locked until ") and remedy == "  `manage.py unlock` unlocks it at once."


@pytest.mark.parametrize(
    ("state", "facts", "said"),
    [
        ("queued", {"error": "10:00 \x1b[2Jrefused"}, "The last try failed: 10:00 \\x1b[2Jrefused"),
        ("sent", {"sent_at": "2020-01-01T00:00Z"}, "Its link has expired"),
        ("dropped", {}, "no active account with an address to verify"),
        ("dead", {"error": "one\ntwo"}, "could not be delivered: two"),
        (None, {}, "No verification mail is on record"),
    ],
)
def test_it_says_what_became_of_the_verification_mail(
    unverified: Person, state: str | None, facts: dict[str, Any], said: str
) -> None:
    if state:
        Mail.objects.create(kind="verification", to=unverified.user.email, state=state, **facts)
    text = explained("una@example.com")
    assert said in text


def test_it_says_until_when_a_link_works_and_an_older_one(unverified: Person) -> None:
    now = timezone.now()
    to = {"kind": "verification", "to": unverified.user.email}
    Mail.objects.create(**to, state="sent", sent_at=now - timedelta(hours=47), created_at=now - timedelta(hours=47))
    until = f"{now + timedelta(hours=1):%Y-%m-%d %H:%M}"
    assert f"Its link works until {until}" in explained("una@example.com")
    Mail.objects.create(**to, state="queued", created_at=now)
    assert f"The link of an older mail works until {until}" in explained("una@example.com")


def test_it_blames_no_failure_that_was_forgotten(alice: Person) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=3)):
        Api(**{"User-Agent": "curl/8"}).post("/auth/login", {**alice.credentials, "password": "wrong"})
    two = LoginGuard(address=alice.user.email, failures=2, failed_at=timezone.now())
    two.save()  # by processes that died
    Api().post("/auth/login", {**alice.credentials, "password": "wrong"})
    assert "by wrong passwords from 127.0.0.1 (an unknown device)." in explained("alice@example.com")


def test_it_says_how_long_a_lock_lasts_and_whose_tries_it_was(alice: Person, api: Api) -> None:
    for _ in range(3):
        api.post("/auth/login", {**alice.credentials, "password": "wrong"}, **{"User-Agent": "curl/8"})
    text = explained("alice@example.com")
    assert "The account is locked until " in text and "by wrong passwords from 127.0.0.1 (curl)." in text
    call_command("unlock", "alice@example.com", stdout=StringIO())
    assert "The account was unlocked. (by operator" in explained("alice@example.com")


def test_it_says_who_deactivated_the_account_and_why(alice: Person, admin: Person) -> None:
    deactivate(user=alice.user, by=Actor.admin(admin.user, NO_CLIENT), reason="spam")
    text, code = reported("explain_login", "alice@example.com")
    assert "by root@example.com: spam." in text
    assert "The account was deactivated. (by admin root@example.com, spam)" in text
    assert code == 1 and text.startswith("alice@example.com cannot sign in.\n")


def test_its_queries_are_as_many_for_everybody(alice: Person, unverified: Person, api: Api) -> None:
    counts = []
    for somebody in (alice, unverified):
        for _ in range(3):
            api.post("/auth/login", somebody.credentials)
        with CaptureQueriesContext(connection) as queries:
            explain_login(address=somebody.user.email)
        counts.append(len(queries))
    assert counts == [7, 7]


def test_it_tells_of_a_reused_token(alice: Person, api: Api) -> None:
    token = alice.tokens.refresh_token
    for _ in range(2):
        token = api.post("/auth/refresh", {"refresh_token": token}).json()["refresh_token"]
    api.post("/auth/refresh", {"refresh_token": alice.tokens.refresh_token})
    text = explained("alice@example.com")
    assert "A refresh token was used a second time, so its session was ended. (an unknown device, 127.0.0.1)" in text
