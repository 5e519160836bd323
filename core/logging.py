"""Log lines: readable in development, JSON in production, each with the id of the request it belongs to."""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

request_id: ContextVar[str] = ContextVar("request_id", default="-")

OF_EVERY_RECORD = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}
IN_MESSAGE = {"method", "route", "status", "duration_ms"}  # of a request's line


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


class GunicornFilter(logging.Filter):
    """Keeps what a client sent out of gunicorn's own lines, with whatever secret is in it.

    What is no HTTP has the line of its request. Of a fault the traceback stays, and the address goes.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if str(record.msg).startswith("Error handling request"):
            record.msg, record.args = "Error handling request", ()
        return not str(record.msg).startswith("Invalid request from")


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """What a call gave as `extra`, and the request's id."""
    return {name: value for name, value in record.__dict__.items() if name not in OF_EVERY_RECORD}


class JSONFormatter(logging.Formatter):
    """An object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **facts(record),
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()
        except TypeError:  # what is no Unicode, such as half of a surrogate pair, and numbers of more than 64 bits
            return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """`12:00:01 INFO accounts.security account_locked ip=127.0.0.1 [request id]`."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} {message}", "%H:%M:%S", style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name logging calls
        shown = {name: value for name, value in facts(record).items() if name not in IN_MESSAGE}
        own_id = shown.pop("request_id", "-")
        return (
            f"{super().formatMessage(record)}{''.join(f' {name}={value}' for name, value in shown.items())} [{own_id}]"
        )
