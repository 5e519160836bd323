"""E-mail addresses, which are the same in any case and with any surrounding space."""

from contextlib import suppress

EMAIL_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets


def normalised(email: str) -> str:
    """The one form in which an address is stored, looked up, counted and compared.

    A domain beyond ASCII takes the form that DNS knows (RFC 3490), so that no look-alike of one domain is another.
    """
    local, at, domain = email.strip().lower().rpartition("@")
    with suppress(UnicodeError):  # no valid domain: the field says so
        domain = domain.encode("idna").decode("ascii")
    return f"{local}{at}{domain}"


def masked(email: str) -> str:
    """`alice@example.com` as `a***@example.com`, for logs."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}***@{domain}"
