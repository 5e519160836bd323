"""A user who is invited by an admin, and chooses a password on the page that the mail leads to."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.audit.log import NO_CLIENT, Actor
from accounts.flows import administration
from accounts.flows.registration import EmailTaken
from accounts.flows.timeline import timeline_of
from accounts.models import AuditEntry, Mail, Session, User
from accounts.reset_codes import new_code
from conftest import PASSWORD, Api, Mailbox, Person, Together, browser_of

ADD = "/admin/accounts/user/add/"
PAGE = "/verify-email"
NINA = {"email": "nina@example.com", "password": PASSWORD}


def invite(admin: Person, **fields: str) -> Any:
    return browser_of(admin).post(ADD, {"email": " Nina@Example.com ", "name": "Nina", **fields}, follow=True)


def choose(token: str, password: str = PASSWORD) -> Any:
    return Api().client.post(PAGE, {"token": token, "new_password": password})


@pytest.fixture
def token(admin: Person, mailbox: Mailbox) -> str:
    """Of the link in the mail to an invited user."""
    invite(admin)
    return mailbox.verification_token()


def test_an_invited_user_chooses_a_password_and_signs_in(admin: Person, api: Api, mailbox: Mailbox) -> None:
    page = invite(admin)
    assert [message.message for message in page.context["messages"]] == ["Invited: nina@example.com."]
    assert "was invited" in page.content.decode()
    nina = User.objects.get(email="nina@example.com")
    assert (nina.name, nina.role, nina.is_verified, nina.has_usable_password()) == ("Nina", "USER", False, False)
    entry = AuditEntry.objects.get()
    assert (entry.kind, entry.user_id, entry.actor_id) == ("account_created", nina.pk, admin.user.pk)
    text = mailbox.text()
    assert mailbox.last()["Subject"].startswith("Choose a password for your account") and "Nina" not in text

    token = mailbox.verification_token()
    form = api.get(f"{PAGE}?token={token}")
    assert "nina@example.com" in form.content.decode() and 'name="new_password"' in form.content.decode()
    assert f'action="?token={token}"' in form.content.decode()  # so that it can be opened again after a failure
    assert api.post("/auth/login", NINA).status_code == 401
    assert "Your password is set" in choose(token).content.decode()
    assert api.post("/auth/login", NINA).status_code == 200
    told = [event.sentence for event in timeline_of(nina)]
    assert told == [
        "Signed in.",
        "The first password was chosen.",
        "A wrong password was given.",
        "The mail “Choose a password for your account” was sent.",
        "The account was created.",
    ]
    entry = AuditEntry.objects.get(kind="password_chosen")
    assert (entry.user_id, entry.actor_id, entry.ip) == (nina.pk, nina.pk, "127.0.0.1")


def test_nobody_is_told_of_a_change_when_the_first_password_is_chosen(token: str, mailbox: Mailbox) -> None:
    choose(token)
    assert [mail["Subject"] for mail in mailbox.all()] == ["Choose a password for your account - PeerPrep"]


def test_a_reset_is_told_to_an_invited_user_too(token: str, api: Api, mailbox: Mailbox) -> None:
    body = {"email": NINA["email"], "code": new_code(NINA["email"]), "new_password": PASSWORD}
    assert api.post("/auth/reset-password", body).status_code == 200
    assert mailbox.last()["Subject"].startswith("Your password was changed")


def test_a_link_sets_no_second_password(token: str, api: Api) -> None:
    choose(token)
    assert "already confirmed" in choose(token, "a better horse battery").content.decode()
    assert "new_password" not in api.get(f"{PAGE}?token={token}").content.decode()
    assert api.post("/auth/login", NINA).status_code == 200


def test_of_two_uses_at_once_one_sets_the_password(together: Together, token: str) -> None:
    pages = together(lambda number: choose(token, f"{PASSWORD} {number}").content.decode(), 5)
    assert sum("Your password is set" in page for page in pages) == 1


def test_of_many_invitations_of_one_address_at_once_one_is_sent(admin: Person, together: Together) -> None:
    def invited(number: int) -> bool:
        try:
            administration.invite(email=NINA["email"], name="", by=Actor.admin(admin.user, NO_CLIENT))
        except EmailTaken:
            return False
        return True

    assert sum(together(invited, 10)) == 1 == Mail.objects.count()


def test_a_reset_code_ends_the_invitation_too(token: str, api: Api, mailbox: Mailbox) -> None:
    api.post("/auth/forgot-password", {"email": NINA["email"]})
    code = {"email": NINA["email"], "code": mailbox.code()}
    assert api.post("/auth/reset-password", {**code, "new_password": PASSWORD}).status_code == 200
    assert "already confirmed" in choose(token, "a better horse battery").content.decode()


@pytest.mark.parametrize("password", ["", "short", "password1", "nina@example.com", "x" * 1025, "x" * 500_000])
def test_a_poor_password_is_refused_and_the_link_stays(token: str, password: str) -> None:
    answer = choose(token, password)
    page = answer.content.decode()
    assert answer.status_code == 422 and 'role="alert"' in page and token in page and len(page) < 10_000
    assert not User.objects.get(email="nina@example.com").is_verified
    assert choose(token).status_code == 200


def test_an_old_or_forged_link_sets_nothing(token: str) -> None:
    assert choose(f"{token}x").status_code == choose("\0").status_code == 400
    with time_machine.travel(timezone.now() + timedelta(days=2, minutes=1)):
        assert "has expired" in choose(token).content.decode()
    assert not User.objects.get(email="nina@example.com").has_usable_password()


def test_the_link_of_a_user_with_a_password_sets_none(api: Api, unverified: Person, mailbox: Mailbox) -> None:
    api.post("/auth/resend-verification", {"email": unverified.user.email})
    choose(mailbox.verification_token(), "a better horse battery")
    unverified.user.refresh_from_db()
    assert not unverified.user.is_verified and unverified.user.check_password(PASSWORD)


def test_an_invited_user_can_ask_for_another_link(token: str, api: Api, mailbox: Mailbox) -> None:
    api.post("/auth/resend-verification", {"email": NINA["email"]})
    assert len(mailbox.all()) == 2
    assert "Your password is set" in choose(mailbox.verification_token()).content.decode()
    assert Session.objects.filter(user__email=NINA["email"]).count() == 0


def test_without_mail_an_operator_sets_the_password_and_the_owner_is_told(
    admin: Person, api: Api, mailbox: Mailbox
) -> None:
    invite(admin)
    nina = User.objects.get(email="nina@example.com")
    administration.verify_address(user=nina, by=Actor.operator())
    administration.change_password(user=nina, new_password=PASSWORD, by=Actor.operator())
    assert mailbox.last()["Subject"].startswith("Your password was changed")
    assert api.post("/auth/login", NINA).status_code == 200


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"email": "nina@nowhere"}, "Enter a valid e-mail address."),
        ({"email": "x" * 300 + "@example.com"}, "at most 254 characters"),
        ({"email": "ROOT@example.com"}, "already exists"),
        ({"name": "Ni\u202ena"}, "control characters"),
        ({"name": "x" * 101}, "at most 100 characters"),
    ],
)
def test_what_cannot_be_invited_is_said_in_the_form(admin: Person, fields: dict[str, str], problem: str) -> None:
    assert problem in invite(admin, **fields).content.decode()
    assert User.objects.get() == admin.user and not Mail.objects.exists() and not AuditEntry.objects.exists()
