from argparse import ArgumentParser
from email.utils import formataddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.management.base import CommandError

from accounts.management.base import Operation, address
from core.smtp import connected, explained


class Command(Operation):
    help = "Sends a test mail directly, without the queue, and says plainly what is wrong if that fails."
    examples = """
send_test_mail ops@example.com
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", type=address, help="where to send it")

    def handle(self, *args: Any, address: str, **options: Any) -> None:
        if not settings.EMAIL_HOST:
            raise CommandError("MAIL_SERVER is not set: mails are printed instead of sent.")
        self.stderr.write(f"Sending from {settings.MAIL_FROM} to {address} via {route()}.", str)  # not as an error
        message = EmailMessage(
            subject=f"Test - {settings.MAIL_FROM_NAME}",
            body=f"{settings.APP_NAME} can send mail. Links in its mails start with {settings.PUBLIC_BASE_URL}.\n",
            from_email=formataddr((settings.MAIL_FROM_NAME, settings.MAIL_FROM)),
            to=[address],
        )
        try:
            with connected() as server:
                server.send_messages([message])
        except Exception as exc:  # noqa: BLE001 - the operator wants to know every failure
            self.report(explained(exc), ok=False)
        self.report("The server accepted it. Check the inbox and the spam folder.")


def route() -> str:
    """How mail is sent, in words, without the password."""
    tls = "TLS" if settings.EMAIL_USE_SSL else "STARTTLS" if settings.EMAIL_USE_TLS else "no TLS"
    if tls != "no TLS" and not settings.EMAIL_VALIDATE_CERTS:
        tls += " without checking the certificate"
    signing_in = settings.EMAIL_HOST_USER and settings.EMAIL_HOST_PASSWORD
    user = f"as {settings.EMAIL_HOST_USER}" if signing_in else "without authentication"
    return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT} with {tls}, {user}"
