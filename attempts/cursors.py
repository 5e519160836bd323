"""Where a page ended, in a form that clients hand back and need not understand."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from struct import Struct
from typing import Any
from uuid import UUID

from attempts.models import LARGEST, Position
from core.fields import Text
from core.times import EPOCH, MICROSECOND

CURSOR_LENGTH = 64
POSITION = Struct(">q16s")
QUESTION = Struct(">I")


class Cursor(Text):
    default_error_messages = {"cursor": "must be the cursor of a `next` link."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length = CURSOR_LENGTH  # no validator: that would get the parsed value

    @staticmethod
    def of(position: Any) -> str:
        raise NotImplementedError

    def bytes_of(self, data: Any, size: int) -> bytes:
        text = super().to_internal_value(data)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
            self.fail("cursor")
        try:
            packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            packed = b""
        if len(packed) != size or encoded(packed) != text:
            self.fail("cursor")
        return packed


def encoded(packed: bytes) -> str:
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


class HistoryCursor(Cursor):
    """A position in a user's history."""

    # In Base64; a later time is beyond the year 9000.
    documented = {"pattern": "^(A[A-Za-v][A-Za-z0-9_-]{30})?$", "minLength": 0}

    def to_internal_value(self, data: Any) -> Position:
        microseconds, id_bytes = POSITION.unpack(self.bytes_of(data, POSITION.size))
        try:
            return Position(EPOCH + microseconds * MICROSECOND, UUID(bytes=id_bytes))
        except OverflowError:
            self.fail("cursor")

    @staticmethod
    def of(position: Position) -> str:
        return encoded(POSITION.pack((position.created_at - EPOCH) // MICROSECOND, position.id.bytes))


class QuestionCursor(Cursor):
    """The number of the last question of a page."""

    documented = {"pattern": "^([A-Za-f][A-Za-z0-9_-]{4}[AQgw])?$", "minLength": 0}  # four bytes in Base64

    def to_internal_value(self, data: Any) -> int:
        question_id: int = QUESTION.unpack(self.bytes_of(data, QUESTION.size))[0]
        if question_id > LARGEST:
            self.fail("cursor")
        return question_id

    @staticmethod
    def of(question_id: int) -> str:
        return encoded(QUESTION.pack(question_id))
