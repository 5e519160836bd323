"""E-mail addresses: one and the same whatever their case or the space around them."""

from contextlib import suppress

EMAIL_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets


def normalised(email: str) -> str:
    """The one form in which an address is stored, looked up, counted and compared.

    A domain in other letters than ASCII becomes what DNS knows it as (RFC 3490), so that no look-alike of one domain
    is another one.
    """
    local, at, domain = email.strip().lower().rpartition("@")
    with suppress(UnicodeError):  # no domain at all, which is for the field to say
        domain = domain.encode("idna").decode("ascii")
    return f"{local}{at}{domain}"


def masked(email: str) -> str:
    """`alice@example.com` as `a***@example.com`, for logs."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}***@{domain}"
