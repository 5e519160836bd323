"""Where mail goes: Django's two backends, each with what it lacks."""

import ssl
from functools import cached_property

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends import console, smtp


class SMTP(smtp.EmailBackend):
    """An SMTP client that can be told not to check certificates (`VALIDATE_CERTS=false`)."""

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not settings.EMAIL_VALIDATE_CERTS:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def open(self) -> bool | None:
        try:
            return super().open()
        except Exception:
            self.close()  # Django keeps a connection whose STARTTLS or AUTH failed for a next try, which we never make
            raise


class Console(console.EmailBackend):
    """Prints what a person would read of a mail, without its HTML."""

    def write_message(self, message: EmailMessage) -> None:
        self.stream.write(f"\n----- Mail to {', '.join(message.to)}: {message.subject}\n\n{message.body}-----\n")
