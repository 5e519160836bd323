"""Responses that are sent while they are made, so that they may have any length."""

import weakref
from collections.abc import Iterable, Iterator
from itertools import chain
from socket import SO_SNDBUF, SOL_SOCKET, socket
from time import monotonic
from typing import Any

import orjson
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

from core.concurrency import Slots
from core.errors import ApiError
from core.slow_clients import TooSlow

# Each download has a thread and a connection for as long as its client takes: at least 8 KiB/s, and 10 minutes at most.
PIECE_BYTES = 64 * 1024
PIECE_SECONDS = 8.0
DOWNLOAD_SECONDS = 600.0
download_slots = Slots(total=4, per_owner=2)


class TooManyDownloads(ApiError):
    status = 503
    code = "busy"
    detail = "Too many downloads are running. Try again in a moment."


def limit_stall(client: socket) -> None:
    """Makes the sending of a piece fail that the client does not read in time: others need its download's slot.

    The buffer is small, since the kernel accepts no more until a third of it is free.
    """
    client.setsockopt(SOL_SOCKET, SO_SNDBUF, PIECE_BYTES)
    client.settimeout(PIECE_SECONDS)


class Download(StreamingHttpResponse):
    """Has a download slot until it is closed, or collected as garbage."""

    def __init__(self, *args: Any, owner: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.release = weakref.finalize(self, download_slots.release, owner)  # at most once

    def close(self) -> None:
        super().close()
        self.release()


def download(request: Request, content: Iterable[bytes], kind: str, filename: str) -> HttpResponseBase:
    """The content as a file.

    Its first piece is made before the response begins, so that an early failure is an error response. A later failure
    cuts the connection, which clients notice.

    Raises:
        TooManyDownloads: in this process, or of this user.
    """
    headers = {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{filename}"'}
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    owner = str(request.user.pk)
    if not download_slots.acquire(owner):
        raise TooManyDownloads(retry_after=5)
    try:
        made = in_time(pieces(content))
        return Download(chain([next(made)], made), owner=owner, headers=headers)
    except BaseException:
        download_slots.release(owner)
        raise


def pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces worth sending."""
    buffer = bytearray()
    for part in content:
        buffer += part
        if len(buffer) >= PIECE_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


def in_time(made: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces, until the download takes too long."""
    deadline = monotonic() + DOWNLOAD_SECONDS
    for piece in made:
        if monotonic() > deadline:
            raise TooSlow
        yield piece


def to_json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def json_array(rows: Iterable[Any]) -> Iterator[bytes]:
    yield b"["
    for number, row in enumerate(rows):
        yield b",\n" + to_json(row) if number else to_json(row)
    yield b"]"


def json_object(members: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    """An object. Members that are iterators become arrays."""
    yield b"{"
    for number, (name, value) in enumerate(members):
        yield (b",\n" if number else b"") + to_json(name) + b":"
        if isinstance(value, Iterator):
            yield from json_array(value)
        else:
            yield to_json(value)
    yield b"}"
