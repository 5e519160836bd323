"""What each kind of mail says. Its link or code is made here, at the moment of sending."""

import re
from datetime import datetime, timedelta
from email.utils import formataddr
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from accounts.devices import device_name
from accounts.models import Mail, User
from accounts.reset_codes import new_code
from accounts.tokens.jwt import verification_token

INVITATION = "invitation"  # the verification mail to a user who has no password yet
SUBJECTS = {
    Mail.Kind.VERIFICATION: "Confirm your e-mail address",
    INVITATION: "Choose a password for your account",
    Mail.Kind.RESET_CODE: "Your password reset code",
    Mail.Kind.PASSWORD_CHANGED: "Your password was changed",
    Mail.Kind.ACCOUNT_LOCKED: "Your account is temporarily locked",
    Mail.Kind.NEW_DEVICE: "New sign-in to your account",
    Mail.Kind.TOKEN_REPLAYED: "Your account was used on a new device or network",
    Mail.Kind.CODE_EXHAUSTED: "Too many wrong reset codes",
}
# Mail clients make a link of a name like this: no name, then.
LINKLIKE = re.compile(r"[/\\:@]|[.。．。]\S")


def addressee(mail: Mail) -> User | None:
    return User.objects.filter(email=mail.to, is_active=True).first()


def is_obsolete(mail: Mail, user: User | None) -> bool:
    """Whether there is nothing to say to its addressee. Codes are made for addresses without an account, too.

    Who has not verified their address gets links and codes alone: it may be a stranger's.
    """
    if mail.kind == Mail.Kind.RESET_CODE:
        return mail.is_too_late
    return user is None or not user.is_active or user.is_verified == (mail.kind == Mail.Kind.VERIFICATION)


def can_be_sent_again(mail: Mail, user: User | None) -> bool:
    """Whether it is dead and there is somebody to whom it still has something to say."""
    return mail.state == Mail.State.DEAD and user is not None and user.is_active and not is_obsolete(mail, user)


def compose(mail: Mail) -> EmailMultiAlternatives | None:
    """The message; None where the address has no account. A code is made all the same: guesses must not tell."""
    user, kind = addressee(mail), mail.kind
    made = {"code": new_code(mail.to)} if kind == Mail.Kind.RESET_CODE else {}
    if user is None:
        return None
    if kind == Mail.Kind.VERIFICATION:
        made["link"] = f"{settings.PUBLIC_BASE_URL}/verify-email?token={quote(verification_token(user))}"
        kind = kind if user.has_usable_password() else INVITATION
    return render(kind, context(mail, user) | made, to=mail.to, message_id=message_id(mail))


def render(kind: str, facts: dict[str, Any], *, to: str, message_id: str) -> EmailMultiAlternatives:
    facts = {"subject": SUBJECTS[kind], **facts}
    message = EmailMultiAlternatives(
        subject=f"{SUBJECTS[kind]} - {settings.MAIL_FROM_NAME}",
        body=render_to_string(f"accounts/mail/{kind}.txt", facts),
        from_email=formataddr((settings.MAIL_FROM_NAME, settings.MAIL_FROM)),
        to=[to],
        headers={
            "Auto-Submitted": "auto-generated",  # RFC 3834: no out-of-office answers, please
            "Message-ID": message_id,
        },
    )
    message.attach_alternative(render_to_string(f"accounts/mail/{kind}.html", facts), "text/html")
    return message


def context(mail: Mail, user: User) -> dict[str, Any]:
    """What all mails say. The facts of a dead mail that is queued again are wiped: only its time is known."""
    agent = mail.facts.get("user_agent")
    is_greeted = user.is_verified and not LINKLIKE.search(user.name)  # else the name may be a stranger's text
    return {
        "greeting": f"Hello {user.name}," if is_greeted else "Hello,",
        "product": settings.MAIL_FROM_NAME,
        "base_url": settings.PUBLIC_BASE_URL,
        "at": datetime.fromisoformat(mail.facts["at"]) if "at" in mail.facts else mail.created_at,
        "ip": mail.facts.get("ip"),
        "device": device_name(agent) if agent is not None else "",
        "lock_minutes": minutes(settings.LOGIN_LOCK),
        "code_minutes": minutes(settings.RESET_CODE_TTL),
        "link_hours": link_hours(),
    }


def message_id(mail: Mail) -> str:
    """The same for each try, so that mailboxes recognise a duplicate. A code is new with each try, and so is its id."""
    number = f".{mail.tries}" if mail.kind == Mail.Kind.RESET_CODE else ""
    return f"<{mail.pk}{number}@{settings.MAIL_FROM.rpartition('@')[2]}>"


def link_hours() -> str:
    return f"{settings.VERIFICATION_TTL.total_seconds() / 3600:g}"


def minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:g}"
