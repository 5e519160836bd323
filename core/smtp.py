"""Where mail goes: Django's two backends, each with what it lacks; and what is wrong when it does not get there."""

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends import console, smtp
from django.core.mail.backends.base import BaseEmailBackend


class SMTP(smtp.EmailBackend):
    """An SMTP client that can be told not to check certificates (`VALIDATE_CERTS=false`)."""

    line: socket.socket | None = None
    PATIENCE = 60.0  # seconds to connect, and to send; `EMAIL_TIMEOUT` is for each step, and a server may dribble

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not settings.EMAIL_VALIDATE_CERTS:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def open(self) -> bool | None:
        try:
            with self.watched():
                return super().open()
        except Exception:
            self.close()  # Django keeps a connection whose STARTTLS or AUTH failed for a next try, which we never make
            raise

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        with self.watched():
            return super().send_messages(email_messages)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Cuts the connection after a time: whoever sends a mail must be done with it before another one may try."""
        watchdog = threading.Timer(self.PATIENCE, self.cut)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()

    @property
    def connection_class(self) -> Any:
        """smtplib's client, whose socket is watched from the first byte on: its constructor reads the greeting."""
        secure, watch = self.use_ssl, self.watch

        class Client(super().connection_class):  # type: ignore[misc]  # chosen at run time
            def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
                raw = smtplib.SMTP._get_socket(self, host, port, timeout)  # type: ignore[attr-defined]  # noqa: SLF001
                watch(raw)
                return self.context.wrap_socket(raw, server_hostname=self._host) if secure else raw  # type: ignore[no-any-return]

        return Client

    def watch(self, raw: socket.socket) -> None:
        self.line = raw.dup()  # which stays the same when TLS takes the socket over

    def cut(self) -> None:
        if self.line:
            with suppress(OSError):
                self.line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        try:
            super().close()
        finally:
            if self.line:
                self.line.close()
                self.line = None


class Console(console.EmailBackend):
    """Prints what a person would read of a mail, without its HTML."""

    def write_message(self, message: EmailMessage) -> None:
        self.stream.write(f"\n----- Mail to {', '.join(message.to)}: {message.subject}\n\n{message.body}-----\n")


@contextmanager
def connected(*, patience: float | None = None, **options: Any) -> Iterator[BaseEmailBackend]:
    """A connection to where mail goes. It is closed quietly: a server has what it took, however it says goodbye."""
    server: BaseEmailBackend = get_connection(**options)
    if patience is not None:
        server.PATIENCE = patience  # type: ignore[attr-defined]
    try:
        server.open()
        yield server
    finally:
        with suppress(Exception):
            server.close()


SECRETS = re.compile(r"token=[^\s'\"]+|\b\d{6}\b")


def explained(exc: Exception) -> str:
    """What an operator should know of a failed delivery: a sentence, then what exactly was raised.

    A server may quote the link or the code of a mail that it refuses; that is left out.
    """
    raised = SECRETS.sub("…", f"{type(exc).__name__}: {exc}")
    return " ".join(f"{sentence(exc)} ({raised})".split())[:500]


def sentence(exc: Exception) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each thing that goes wrong
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    match exc:
        case UnicodeError() if "idna" in str(exc):  # a label of the name is empty or too long
            return f"MAIL_SERVER: {settings.EMAIL_HOST} is no name of a host."
        case socket.gaierror():
            return f"MAIL_SERVER: the name {settings.EMAIL_HOST} does not resolve."
        case ConnectionRefusedError():
            return f"MAIL_SERVER, MAIL_PORT: nothing listens at {server}."
        case TimeoutError() | smtplib.SMTPServerDisconnected() if "timed out" in str(exc):
            hint = "" if settings.EMAIL_USE_SSL else " If it speaks TLS from the first byte, set MAIL_SSL_TLS."
            return f"MAIL_SERVER, MAIL_PORT: {server} does not answer within {settings.EMAIL_TIMEOUT} s.{hint}"
        case ssl.SSLCertVerificationError():
            return f"VALIDATE_CERTS: the certificate of {server} is not valid: {exc.verify_message.rstrip('.')}."
        case ssl.SSLError():
            which = "MAIL_SSL_TLS" if settings.EMAIL_USE_SSL else "MAIL_STARTTLS"
            return f"{which}: TLS with {server} fails; it may not speak it here."
        case smtplib.SMTPAuthenticationError():
            return f"MAIL_USERNAME, MAIL_PASSWORD: {server} does not accept them."
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(exc):
            return f"MAIL_STARTTLS: {server} does not offer it."
        case smtplib.SMTPNotSupportedError() if "AUTH" in str(exc):
            hint = "" if settings.EMAIL_USE_SSL or settings.EMAIL_USE_TLS else " It may offer one with MAIL_STARTTLS."
            return f"USE_CREDENTIALS: {server} offers no sign-in.{hint}"
        case smtplib.SMTPResponseException(smtp_code=530) if "STARTTLS" in str(exc).upper():
            return f"MAIL_STARTTLS: {server} demands it."
        case smtplib.SMTPSenderRefused(smtp_code=530):
            return f"MAIL_USERNAME, MAIL_PASSWORD: {server} wants a sign-in."
        case smtplib.SMTPSenderRefused():
            return f"MAIL_FROM: {server} does not take mail from {exc.sender}."
        case smtplib.SMTPRecipientsRefused():
            return f"{server} does not take mail for this address."
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError():
            return f"{server} refuses this host."
        case smtplib.SMTPDataError():
            return f"{server} does not take this mail."
        case smtplib.SMTPServerDisconnected():
            return f"{server} closed the connection."
        case smtplib.SMTPException():
            return f"{server} refuses."
        case OSError():
            return f"MAIL_SERVER, MAIL_PORT: {server} cannot be reached."
    return "The mail could not be made."
