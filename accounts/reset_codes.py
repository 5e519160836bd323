"""Reset codes: six digits, made when they are mailed, stored as a hash."""

import re
import secrets

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import PasswordReset

CODE = re.compile(r"[0-9]{6}")
SEPARATORS = re.compile(r"[\s\u200b\u2060\ufeff\u2010-\u2015\u2043\u2212\ufe58\ufe63\uff0d-]")  # spaces and dashes


def new_code(address: str) -> str:
    """Makes the code that a mail is about to carry. It replaces the previous one."""
    reset = PasswordReset(address=address, expires_at=timezone.now() + settings.RESET_CODE_TTL)
    code = f"{secrets.randbelow(1_000_000):06}"
    reset.code_hash = digest(reset, code)
    PasswordReset.objects.replace(reset)
    return code


def digits_of(text: str) -> str:
    """The digits of a code as people type and paste it, such as `042-117`; empty if it cannot be a code."""
    digits = SEPARATORS.sub("", text)
    return digits if CODE.fullmatch(digits) else ""


def digest(reset: PasswordReset, code: str) -> str:
    """Keyed, since a million codes are soon tried, and salted with the id, which is new for every code."""
    return salted_hmac("accounts.reset-code", f"{reset.id}:{code}", algorithm="sha256").hexdigest()
