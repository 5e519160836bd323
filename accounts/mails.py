"""What each kind of mail says. The link or code in it is made here, at the moment of sending."""

from datetime import datetime
from email.utils import formataddr
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.codes import new_code
from accounts.devices import in_words
from accounts.models import Mail, User
from accounts.tokens import verification_token

SUBJECTS = {
    Mail.Kind.VERIFICATION: "Confirm your e-mail address",
    Mail.Kind.RESET_CODE: "Your code to reset your password",
    Mail.Kind.PASSWORD_CHANGED: "Your password was changed",
    Mail.Kind.ACCOUNT_LOCKED: "Your account is locked for a while",
}


def compose(mail: Mail) -> EmailMultiAlternatives | None:
    """The message, or None where there is nothing (left) to say to this address."""
    user = User.objects.filter(email=mail.to, is_active=True).first()
    content = contents(Mail.Kind(mail.kind), user, mail)
    if user is None or content is None:
        return None
    context = {
        "user": user,
        "product": settings.MAIL_FROM_NAME,
        "base_url": settings.PUBLIC_BASE_URL,
        "subject": SUBJECTS[Mail.Kind(mail.kind)],
        "at": datetime.fromisoformat(mail.facts["at"]),
        "ip": mail.facts["ip"],
        "device": in_words(mail.facts["user_agent"]),
        **content,
    }
    message = EmailMultiAlternatives(
        subject=f"{SUBJECTS[Mail.Kind(mail.kind)]} - {settings.MAIL_FROM_NAME}",
        body=render_to_string(f"accounts/mail/{mail.kind}.txt", context),
        from_email=formataddr((settings.MAIL_FROM_NAME, settings.MAIL_FROM)),
        to=[mail.to],
        headers={"Auto-Submitted": "auto-generated"},  # RFC 3834: no out-of-office answers, please
    )
    message.attach_alternative(render_to_string(f"accounts/mail/{mail.kind}.html", context), "text/html")
    return message


def contents(kind: Mail.Kind, user: User | None, mail: Mail) -> dict[str, Any] | None:
    if kind == Mail.Kind.VERIFICATION:
        if user is None or user.is_verified:
            return None
        token = quote(verification_token(user))
        return {"link": f"{settings.PUBLIC_BASE_URL}/verify-email?token={token}", "hours": hours()}
    if kind == Mail.Kind.RESET_CODE:
        if mail.created_at + settings.RESET_CODE_TTL < timezone.now():
            return None  # nobody waits for it any more
        return {"code": new_code(mail.to), "minutes": minutes(settings.RESET_CODE_TTL)}
    return {"minutes": minutes(settings.LOGIN_LOCK)}


def minutes(span: Any) -> str:
    return f"{span.total_seconds() / 60:g}"


def hours() -> str:
    return f"{settings.VERIFICATION_TTL.total_seconds() / 3600:g}"
