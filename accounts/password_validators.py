"""What a password may be; Django's validators, and so its settings and forms, do the rest."""

import re
from typing import Any

from django.core.exceptions import ValidationError

PASSWORD_LENGTH = 1024


class MaximumLengthValidator:
    """Bounds the work of a hash. Django ships only the other bound."""

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > PASSWORD_LENGTH:
            raise ValidationError(f"The password can have at most {PASSWORD_LENGTH} characters.", "password_too_long")

    def get_help_text(self) -> str:
        return f"Your password can have at most {PASSWORD_LENGTH} characters."


class RepetitionValidator:
    """Refuses a password that only repeats the user's address or name: `alicealice`. Django's compares with one."""

    LEAST_REST = 4  # letters and digits that make it a password of its own

    def validate(self, password: str, user: Any = None) -> None:
        if user is None:
            return
        rest = letters(password)
        for part in sorted({*words_of(user.email), *words_of(user.name)}, key=len, reverse=True):
            rest = rest.replace(part, "")
        if len(rest) < self.LEAST_REST and rest != letters(password):
            raise ValidationError("The password only repeats the e-mail address or the name.", "password_too_similar")

    def get_help_text(self) -> str:
        return "Your password must not only repeat your e-mail address or your name."


def words_of(text: str) -> list[str]:
    """The words of an address or a name, and all of them together."""
    return [word for word in (letters(text), *map(letters, re.split(r"\W+", text))) if len(word) > 1]


def letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())
