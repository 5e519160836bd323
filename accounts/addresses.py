"""E-mail addresses: one and the same whatever their case or the space around them."""


def normalised(email: str) -> str:
    """The one form in which an address is stored, looked up, counted and compared."""
    return email.strip().lower()


def masked(email: str) -> str:
    """`alice@example.com` as `a***@example.com`, for logs."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}***@{domain}"
