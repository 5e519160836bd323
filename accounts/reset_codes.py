"""Reset codes: six digits, made when they are mailed, stored as a hash."""

import secrets

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import PasswordReset


def new_code(address: str) -> str:
    """Makes the code that a mail is about to carry. It replaces the previous one."""
    reset = PasswordReset(address=address, expires_at=timezone.now() + settings.RESET_CODE_TTL)
    code = f"{secrets.randbelow(1_000_000):06}"
    reset.code_hash = digest(reset, code)
    PasswordReset.objects.replace(reset)
    return code


def digest(reset: PasswordReset, code: str) -> str:
    """Keyed, since a million codes are soon tried, and salted with the id, which is new for every code."""
    return salted_hmac("accounts.reset-code", f"{reset.id}:{code}", algorithm="sha256").hexdigest()
