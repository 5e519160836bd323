"""E-mail addresses, which are the same in any case and with any surrounding space."""

import re
from contextlib import suppress

import idna
from django.core.validators import EmailValidator

EMAIL_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
ATOM = r"[-!#$%&'*+/=?^_`{|}~0-9A-Z]+"  # RFC 5322 section 3.2.3


def normalised(email: str) -> str:
    """The one form in which an address is stored, looked up, counted and compared.

    A domain beyond ASCII takes the form that DNS knows, by UTS 46: IDNA 2003, which Python's codec is, makes another
    domain of some. What is too long to be an address, or has no valid domain, is left for the validator to refuse.
    """
    if len(email) > EMAIL_LENGTH:
        return email
    local, at, domain = email.strip().rpartition("@")
    with suppress(UnicodeError):
        domain = idna.encode(domain, uts46=True).decode("ascii")
    return f"{local}{at}{domain}".lower()


class AddressValidator(EmailValidator):
    """Stricter than Django's: no letters beyond ASCII, no `localhost` or IP address after the `@`, and before it no
    quotes, which only spell the same mailbox in other ways, and at most 64 characters (RFC 5321 section 4.5.3.1.1).
    """

    message = "Enter a valid e-mail address."
    literal_regex = re.compile(r"(?!)")
    user_regex = re.compile(rf"(?=.{{1,64}}\Z){ATOM}(\.{ATOM})*\Z", re.IGNORECASE)

    def __call__(self, value: str | None) -> None:
        super().__call__(value if value and len(value) <= EMAIL_LENGTH and value.isascii() else "")


validate_address = AddressValidator(allowlist=[])


def masked(email: str) -> str:
    """`alice@example.com` as `a***@example.com`, for logs."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}***@{domain}"
