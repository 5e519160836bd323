"""What people are called."""

import unicodedata

from django.core.exceptions import ValidationError

UNSEEN = {"Cc", "Cf", "Zl", "Zp"}  # control, format, and the separators of lines and paragraphs
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"  # which some scripts are not written without


def no_control_characters(name: str) -> None:
    """Refuses characters that are not seen and change how others are, such as one that turns the direction of text."""
    if any(unicodedata.category(letter) in UNSEEN and letter not in JOINERS for letter in name):
        raise ValidationError("Must not contain control characters.", "invalid")
    if not name.strip(JOINERS):
        raise ValidationError("Must contain something that is seen.", "invalid")
