"""How passwords are hashed, and how long they may be."""

import logging
import re
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError, VerifyMismatchError
from django.conf import settings
from django.contrib.auth import hashers
from django.core.exceptions import ValidationError
from django.utils.crypto import get_random_string

log = logging.getLogger(__name__)

PASSWORD_LENGTH = 1024


class Argon2id(hashers.Argon2PasswordHasher):
    """Argon2id with the second recommended parameters of RFC 9106 section 4, unless the environment tunes them."""

    time_cost = settings.ARGON2_TIME_COST
    memory_cost = settings.ARGON2_MEMORY_KIB
    parallelism = settings.ARGON2_PARALLELISM

    def verify(self, password: str, encoded: str) -> bool:
        """Whether it matches. Django's own says no to a corrupt hash as well; here that is a ValueError."""
        try:
            return PasswordHasher().verify(encoded.removeprefix("argon2"), password)
        except VerifyMismatchError:
            return False
        except VerificationError as exc:
            raise ValueError from exc


class MaximumLengthValidator:
    """Bounds the work of a hash. Django ships only the other bound."""

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > PASSWORD_LENGTH:
            raise ValidationError(
                f"This password is too long. It may have {PASSWORD_LENGTH} characters.", "password_too_long"
            )

    def get_help_text(self) -> str:
        return f"Your password may have up to {PASSWORD_LENGTH} characters."


class OverAgainValidator:
    """Refuses the user's address or name over again: `alicealice`. Django's compares with it only once."""

    LEAST_PART = 3
    LEAST_REST = 4  # characters that make it a password of its own

    def validate(self, password: str, user: Any = None) -> None:
        if user is None:
            return
        for part in {*parts(user.email), *parts(user.name)}:
            rest = password.lower().replace(part, "")
            if len(part) >= self.LEAST_PART and len(rest) < self.LEAST_REST and len(rest) < len(password):
                raise ValidationError(
                    "The password is the e-mail address or the name over again.", "password_too_similar"
                )

    def get_help_text(self) -> str:
        return "Your password must not be your e-mail address or your name over again."


def parts(text: str) -> list[str]:
    return [text.lower(), *re.split(r"\W+", text.lower())]


@cache
def nobody() -> str:
    """A hash that no password matches. An unknown account is checked against it: the time must not tell."""
    return hashers.make_password(get_random_string(32))


def matches(password: str, encoded: str | None) -> bool:
    """Whether `password` is the one behind `encoded`; None stands for an account that does not exist.

    An account without a usable password takes as long as one with one.

    A hash that is corrupt, or of a scheme this service does not use, matches nothing and is logged.
    """
    try:
        usable = encoded if encoded is not None and hashers.is_password_usable(encoded) else None
        known = nobody() if usable is None else usable
        return hashers.identify_hasher(known).verify(password, known) and usable is not None
    except ValueError:
        log.error("A stored password hash cannot be read")  # noqa: TRY400 - a traceback might show it
        return False


def is_outdated(encoded: str) -> bool:
    """Whether the hash was made with other parameters than the present ones."""
    return hashers.identify_hasher(encoded).must_update(encoded)
