"""Names of people, and text with nothing invisible in it."""

import re
import unicodedata

from django.core.exceptions import ValidationError

INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp"}  # control, format, and the separators of lines and paragraphs
# Characters that move or turn a line of text.
INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"  # which some scripts are not written without


def no_control_characters(name: str) -> None:
    """Refuses invisible characters that change how others look, such as one that turns the direction of text."""
    if any(unicodedata.category(letter) in INVISIBLE_CATEGORIES and letter not in JOINERS for letter in name):
        raise ValidationError("The name must not contain control characters.", "invalid")
    if not name.strip(JOINERS):
        raise ValidationError("The name must contain a visible character.", "invalid")


def in_one_line(text: str) -> str:
    """Text without control characters, and with single spaces between its words."""
    return " ".join(INVISIBLE.sub(" ", text).split())


def escaped(text: str) -> str:
    """Text that is safe to print on a terminal: characters that would move the cursor or colour it are spelled out."""
    return INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
