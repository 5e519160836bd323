"""Verifying an e-mail address."""

from datetime import timedelta

import time_machine
from django.core import signing
from django.utils import timezone

from accounts.models import Mail
from accounts.tokens.jwt import VERIFICATION_SALT, link_signer, verification_token
from conftest import Api, Mailbox, Person


def test_it_works_by_the_link_and_by_post_and_twice(api: Api, unverified: Person) -> None:
    token = verification_token(unverified.user)
    for answer in (
        api.get(f"/auth/verify-email?token={token}"),
        api.get(f"/auth/verify-email?token={token}"),
        api.post("/auth/verify-email", {"token": token}),
    ):
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
    unverified.user.refresh_from_db()
    assert unverified.user.is_verified


def test_it_lets_the_user_log_in(api: Api, unverified: Person) -> None:
    assert api.post("/auth/login", unverified.credentials).json()["code"] == "email_not_verified"
    api.post("/auth/verify-email", {"token": verification_token(unverified.user)})
    assert api.post("/auth/login", unverified.credentials).status_code == 200


def test_it_refuses_what_nobody_signed(api: Api, unverified: Person) -> None:
    token = verification_token(unverified.user)
    facts = link_signer().unsign_object(token)
    forged = signing.TimestampSigner(key="another", salt=VERIFICATION_SALT, sep=".").sign_object(facts)
    for bad in ("x", token[:-1], token + "x", forged, unverified.tokens.access_token, "\N{SNAKE}"):
        answer = api.post("/auth/verify-email", {"token": bad})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_token")
    unverified.user.refresh_from_db()
    assert not unverified.user.is_verified


def test_the_link_works_for_two_days(api: Api, unverified: Person) -> None:
    token = verification_token(unverified.user)
    with time_machine.travel(timezone.now() + timedelta(hours=47)):
        assert api.get(f"/auth/verify-email?token={token}").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(hours=49)):
        assert api.get(f"/auth/verify-email?token={token}").status_code == 400


def test_the_link_dies_with_the_account_and_with_its_address(api: Api, unverified: Person, alice: Person) -> None:
    token, deleted = verification_token(unverified.user), verification_token(alice.user)
    alice.api.delete("/users/me")
    unverified.user.email = "other@example.com"
    unverified.user.save(update_fields=["email"])
    assert api.post("/auth/verify-email", {"token": token}).status_code == 400
    assert api.post("/auth/verify-email", {"token": deleted}).status_code == 400


def test_a_new_link_is_sent_on_demand(api: Api, unverified: Person, mailbox: Mailbox) -> None:
    assert api.post("/auth/resend-verification", {"email": " UNA@example.com"}).json() == {"ok": True}
    assert api.post("/auth/verify-email", {"token": mailbox.verification_token()}).status_code == 200


def test_no_link_is_sent_where_none_is_needed(api: Api, alice: Person, mailbox: Mailbox) -> None:
    for email in (alice.user.email, "nobody@example.com"):
        assert api.post("/auth/resend-verification", {"email": email}).json() == {"ok": True}
    assert not mailbox.all()
    dropped = Mail.objects.get()
    assert (dropped.to, dropped.state) == (alice.user.email, Mail.State.DROPPED)
