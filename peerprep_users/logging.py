"""Log lines: readable in development, JSON in production, each with the id of the request it belongs to."""

import logging
from contextvars import ContextVar

from pythonjsonlogger.core import RESERVED_ATTRS

request_id: ContextVar[str] = ContextVar("request_id", default="-")

IN_MESSAGE = {"method", "route", "status", "duration_ms"}  # of a request's line
KNOWN = {*RESERVED_ATTRS, *IN_MESSAGE, "request_id", "request"}


class RequestFilter(logging.Filter):
    """Marks every record with the current request's id."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = record.__dict__.pop("request", None)  # which Django's own records carry
        if not hasattr(record, "request_id"):
            record.request_id = getattr(request, "request_id", request_id.get())
        return True


class FaultFilter(logging.Filter):
    """Passes what has a traceback. An answer such as 503, which was given on purpose, is in the line of its request."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is not None


class TextFormatter(logging.Formatter):
    """`12:00:01 INFO accounts.security account_locked ip=127.0.0.1 [request id]`."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} {message}", "%H:%M:%S", style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name logging calls
        facts = "".join(f" {name}={value}" for name, value in record.__dict__.items() if name not in KNOWN)
        return f"{super().formatMessage(record)}{facts} [{getattr(record, 'request_id', '-')}]"
