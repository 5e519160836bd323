"""Log lines: text in development, JSON in production, each with the id of its request."""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

request_id: ContextVar[str] = ContextVar("request_id", default="-")

RECORD_FIELDS = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}
IN_MESSAGE = {"method", "route", "status", "duration_ms"}  # of the line of a request


class RequestFilter(logging.Filter):
    """Marks every record with the current request's id."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = record.__dict__.pop("request", None)  # Django's own records carry it
        if not hasattr(record, "request_id"):
            record.request_id = getattr(request, "META", {}).get("HTTP_X_REQUEST_ID", request_id.get())
        return True


class FaultFilter(logging.Filter):
    """Keeps records with a traceback. A deliberate 503 is in the line of its request already."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is not None


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """The `extra` of the call, and the request's id."""
    return {name: value for name, value in record.__dict__.items() if name not in RECORD_FIELDS}


class JSONFormatter(logging.Formatter):
    """One object per line."""

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
        except TypeError:  # lone surrogates, integers of more than 64 bits
            return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """`12:00:01 INFO accounts.security account_locked ip=127.0.0.1 [request id]`."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} {message}", "%H:%M:%S", style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        shown = {name: value for name, value in facts(record).items() if name not in IN_MESSAGE}
        own_id = shown.pop("request_id", "-")
        return (
            f"{super().formatMessage(record)}{''.join(f' {name}={value}' for name, value in shown.items())} [{own_id}]"
        )
