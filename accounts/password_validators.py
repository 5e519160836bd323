"""What a password may be; Django's validators, and so its settings and forms, do the rest."""

import logging
import re
from collections.abc import Iterable
from hashlib import sha1
from pathlib import Path
from typing import Any

from django.contrib.auth.password_validation import UserAttributeSimilarityValidator
from django.core.exceptions import ValidationError

log = logging.getLogger(__name__)

MIN_PASSWORD_LENGTH = 8
PASSWORD_LENGTH = 1024


class MaximumLengthValidator:
    """Bounds the work of a hash. Django ships only the other bound."""

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > PASSWORD_LENGTH:
            raise ValidationError(f"The password can have at most {PASSWORD_LENGTH} characters.", "password_too_long")

    def get_help_text(self) -> str:
        return f"Your password can have at most {PASSWORD_LENGTH} characters."


class SimilarityValidator(UserAttributeSimilarityValidator):
    """Refuses what is like the user's address or name, as Django does, or only repeats them: `alicealice`."""

    LEAST_REST = 4  # letters and digits that make it a password of its own

    def validate(self, password: str, user: Any = None) -> None:
        super().validate(password, user)
        if user is None:
            return
        rest = letters(password)
        for part in sorted({*words_of(user.email), *words_of(user.name)}, key=len, reverse=True):
            rest = rest.replace(part, "")
        if len(rest) < self.LEAST_REST and rest != letters(password):
            raise ValidationError("The password only repeats the e-mail address or the name.", "password_too_similar")


class ContextWordValidator:
    """Refuses a password that is little more than the name of this service: `peerprep123`."""

    LEAST_WORD = 4  # shorter names are in too many other words
    LEAST_REST = 8  # letters and digits, as many as a password has at least

    def __init__(self, words: Iterable[str]) -> None:
        names = [word for word in map(letters, words) if len(word) >= self.LEAST_WORD]
        self.words = sorted(names, key=len, reverse=True)

    def validate(self, password: str, user: object = None) -> None:
        rest = letters(password)
        for word in self.words:
            rest = rest.replace(word, "")
        if len(rest) < self.LEAST_REST and rest != letters(password):
            message = "The password is little more than the name of this service."
            raise ValidationError(message, "password_too_common")

    def get_help_text(self) -> str:
        return "Your password must not be little more than the name of this service."


class BreachedPasswordValidator:
    """Refuses a password that is in a local copy of Pwned Passwords.

    Args:
        folder: has a file for each range, as https://api.pwnedpasswords.com/range/ serves them: `21BD1`, or
            `21BD1.txt`, has the hashes that begin so, without these five digits, each with a colon and a count.
    """

    PREFIX = 5

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def validate(self, password: str, user: object = None) -> None:
        if self.is_breached(sha1(password.encode(), usedforsecurity=False).hexdigest().upper()):
            message = "The password was found among those that became public in a data breach."
            raise ValidationError(message, "password_too_common")

    def is_breached(self, digest: str) -> bool:
        """A range that cannot be read refuses nothing: people need to choose a password all the same."""
        path = self.folder / digest[: self.PREFIX]
        try:
            text = (path if path.exists() else path.with_suffix(".txt")).read_text("ascii", "replace")
        except OSError as exc:
            log.warning("A range of breached passwords cannot be read: %s", exc.strerror)
            return False
        found = re.search(rf"^{digest[self.PREFIX :]}:([0-9]+)", text, re.MULTILINE | re.IGNORECASE)
        return found is not None and int(found[1]) > 0  # zero pads an answer

    def get_help_text(self) -> str:
        return "Your password must not be one that became public in a data breach."


def words_of(text: str) -> list[str]:
    """The words of an address or a name, and all of them together."""
    return [word for word in (letters(text), *map(letters, re.split(r"\W+", text))) if len(word) > 1]


def letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())
