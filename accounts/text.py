"""Names of people, and text with nothing invisible in it."""

import re
import unicodedata

from django.core.exceptions import ValidationError

INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp"}  # control, format, and the separators of lines and paragraphs
# Characters that move or turn a line of text.
INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"  # which some scripts are not written without
SUBDIVISION_FLAG = re.compile(r"\U0001f3f4[\U000e0061-\U000e007a]{3,6}\U000e007f")  # of England, say: UTS 51, ED-14a
# What shows nothing by itself: space, format, marks on another character; Hangul fillers, code points that Unicode
# reserves for more of the kind (Default_Ignorable_Code_Point), the Braille blank and the musical null notehead.
BLANK_CATEGORIES = {"Zs", "Cf", "Mn", "Mc", "Me", "Cn", "Co"}
BLANK = re.compile(
    r"[\u115f\u1160\u3164\uffa0\u2065\ufff0-\ufff8\U000e0000-\U000e0fff\u2800\ufffc\U0001d159\U00013441\U00013442]"
)


def no_control_characters(name: str) -> None:
    """Refuses invisible characters that change how others look, such as one that turns the direction of text.

    And names in which nothing is visible.
    """
    rest = SUBDIVISION_FLAG.sub("\N{WAVING BLACK FLAG}", name)
    if any(unicodedata.category(letter) in INVISIBLE_CATEGORIES and letter not in JOINERS for letter in rest):
        raise ValidationError("The name must not contain control characters.", "invalid")
    if all(unicodedata.category(letter) in BLANK_CATEGORIES or BLANK.match(letter) for letter in name):
        raise ValidationError("The name must contain a visible character.", "invalid")


def in_one_line(text: str) -> str:
    """Text without control characters, and with single spaces between its words."""
    return " ".join(INVISIBLE.sub(" ", text).split())


def escaped(text: str) -> str:
    """Text that is safe to print on a terminal: characters that would move the cursor or colour it are spelled out."""
    return INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
