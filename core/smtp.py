"""The connection to the SMTP server, and what is wrong with it in an operator's words."""

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends import console, smtp
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import utf8_charset_qp
from django.utils.encoding import force_str


class ReplyReader:
    """Reads a server's reply until a deadline.

    smtplib gives the server `timeout` seconds for each packet: one that sends a byte now and then is never cut off.
    """

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self.connection = connection
        self.deadline = time.monotonic() + seconds

    def readline(self, limit: int) -> bytes:
        """A byte at a time: nothing beyond the line is taken, and a reply is short."""
        line = b""
        while not line.endswith(b"\n") and len(line) < limit:
            if time.monotonic() > self.deadline:
                raise TimeoutError("timed out")
            byte = self.connection.recv(1)
            if not byte:
                break
            line += byte
        return line

    def close(self) -> None:
        """Leaves the connection to smtplib."""


class DeadlineSMTP(smtplib.SMTP):
    def getreply(self) -> tuple[int, bytes]:
        if self.sock:
            self.file = ReplyReader(self.sock, self.timeout)
        return super().getreply()


class DeadlineSMTPSSL(DeadlineSMTP, smtplib.SMTP_SSL):
    pass


class SMTP(smtp.EmailBackend):
    """An SMTP client that can be told not to check certificates (`VALIDATE_CERTS=false`)."""

    @property
    def connection_class(self) -> type[DeadlineSMTP]:
        return DeadlineSMTPSSL if self.use_ssl else DeadlineSMTP

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not settings.EMAIL_VALIDATE_CERTS:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            message.encoding = utf8_charset_qp  # Django sends 8 bits unasked, which not every server takes
        return super().send_messages(email_messages)


class Console(console.EmailBackend):
    """Prints the plain text of a mail."""

    def write_message(self, message: EmailMessage) -> None:
        self.stream.write(f"\n----- Mail to {', '.join(message.to)}: {message.subject}\n\n{message.body}-----\n")


@contextmanager
def connected(**options: Any) -> Iterator[BaseEmailBackend]:
    """An open connection. Errors while closing are ignored: what the server has accepted, it has."""
    server: BaseEmailBackend = get_connection(**options)
    try:
        server.open()
        yield server
    finally:
        with suppress(Exception):
            server.close()


def explained(exc: Exception, *, secrets: re.Pattern[str] | None = None) -> str:
    """What an operator should know of a failed delivery: a sentence, then the server's reply if there is one.

    Args:
        secrets: what to leave out: a server may quote the mail that it refuses.
    """
    replies: Iterable[tuple[int, bytes | str]] = []
    if isinstance(exc, smtplib.SMTPRecipientsRefused):
        replies = exc.recipients.values()
    elif isinstance(exc, smtplib.SMTPResponseException):
        replies = [(exc.smtp_code, exc.smtp_error)]
    told = "; ".join(f"{code} {force_str(reply, errors='replace')}" for code, reply in replies)
    sentence = explanation(exc)
    text = f"{sentence.rstrip('.')}: {told}" if told else sentence
    if secrets:
        text = secrets.sub("…", text)
    return " ".join(text.split())[:500]


def explanation(exc: Exception) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each kind of failure
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    match exc:
        case UnicodeError() if "idna" in str(exc):  # a label of the name is empty or too long
            return f"MAIL_SERVER: {settings.EMAIL_HOST} is not a valid host name."
        case socket.gaierror():
            return f"MAIL_SERVER: the name {settings.EMAIL_HOST} does not resolve: {exc.strerror}."
        case ConnectionRefusedError():
            return f"MAIL_SERVER, MAIL_PORT: nothing listens at {server}."
        case TimeoutError() | smtplib.SMTPServerDisconnected() if "timed out" in str(exc):
            hint = "" if settings.EMAIL_USE_SSL else " If it expects TLS from the first byte, set MAIL_SSL_TLS."
            return f"MAIL_SERVER, MAIL_PORT: {server} did not answer within {settings.EMAIL_TIMEOUT} s.{hint}"
        case ssl.SSLCertVerificationError():
            return f"VALIDATE_CERTS: the certificate of {server} is not valid: {exc.verify_message.rstrip('.')}."
        case ssl.SSLError():
            which = "MAIL_SSL_TLS" if settings.EMAIL_USE_SSL else "MAIL_STARTTLS"
            return f"{which}: TLS with {server} failed; it may not offer TLS on this port: {exc}."
        case smtplib.SMTPAuthenticationError():
            return f"MAIL_USERNAME, MAIL_PASSWORD: {server} rejected them."
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(exc):
            return f"MAIL_STARTTLS: {server} does not offer it."
        case smtplib.SMTPNotSupportedError() if "AUTH" in str(exc):
            hint = "" if settings.EMAIL_USE_SSL or settings.EMAIL_USE_TLS else " It may with MAIL_STARTTLS."
            return f"USE_CREDENTIALS: {server} offers no authentication.{hint}"
        case smtplib.SMTPResponseException(smtp_code=530) if "STARTTLS" in str(exc).upper():
            return f"MAIL_STARTTLS: {server} requires it."
        case smtplib.SMTPSenderRefused(smtp_code=530):
            return f"MAIL_USERNAME, MAIL_PASSWORD: {server} requires authentication."
        case smtplib.SMTPSenderRefused():
            return f"MAIL_FROM: {server} does not accept mail from {exc.sender}."
        case smtplib.SMTPRecipientsRefused():
            return f"{server} does not accept mail for this address."
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError():
            return f"{server} refuses connections from this host."
        case smtplib.SMTPDataError():
            return f"{server} does not accept this mail."
        case smtplib.SMTPServerDisconnected():
            return f"{server} closed the connection."
        case smtplib.SMTPResponseException():
            return f"{server} refused."
        case smtplib.SMTPException():
            return f"{server} refused: {exc}"
        case OSError():
            return f"MAIL_SERVER, MAIL_PORT: {server} cannot be reached: {exc.strerror or exc}."
    return f"The mail could not be composed: {type(exc).__name__}: {exc}"
