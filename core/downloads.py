"""Answers that are sent while they are made, so that they may be of any length."""

import weakref
from collections.abc import Iterable, Iterator
from itertools import chain
from socket import SO_SNDTIMEO, SOL_SOCKET, socket
from struct import pack
from typing import Any

import orjson
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

from core.concurrency import Slots
from core.errors import ApiError

PIECE = 64 * 1024

# At once in a process: each has a thread and a connection for as long as its client takes.
download_slots = Slots(total=4, per_owner=2)


class TooManyDownloads(ApiError):
    status = 503
    code = "busy"
    detail = "Too many downloads are running. Try again in a moment."


STALLED = 60  # seconds


def cut_off_when_stalled(connection: socket, seconds: float = STALLED) -> None:
    """Lets a send fail whose client reads nothing for so long: its download's place and connection are others'."""
    connection.setsockopt(SOL_SOCKET, SO_SNDTIMEO, pack("ll", int(seconds), int(seconds % 1 * 1_000_000)))


class Download(StreamingHttpResponse):
    """Has a slot until it is closed, or collected as garbage."""

    def __init__(self, *args: Any, owner: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.release = weakref.finalize(self, download_slots.release, owner)  # at most once

    def close(self) -> None:
        super().close()
        self.release()


def download(request: Request, content: Iterable[bytes], kind: str, filename: str) -> HttpResponseBase:
    """The content as a file to keep.

    Its first piece is made before the answer begins: what fails from the start is answered as a failure. Where a later
    one fails the connection is cut, which clients notice.

    Raises:
        TooManyDownloads: this process has enough of them to send, or enough for this user.
    """
    headers = {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{filename}"'}
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    owner = str(request.user.pk)
    if not download_slots.acquire(owner):
        raise TooManyDownloads(retry_after=5)
    try:
        made = pieces(content)
        return Download(chain([next(made)], made), owner=owner, headers=headers)
    except BaseException:
        download_slots.release(owner)
        raise


def pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same in pieces of a size that is worth sending."""
    held = bytearray()
    for part in content:
        held += part
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    yield bytes(held)


def json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def json_array(rows: Iterable[Any]) -> Iterator[bytes]:
    yield b"["
    for number, row in enumerate(rows):
        yield b",\n" + json(row) if number else json(row)
    yield b"]"


def json_object(members: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    """An object whose members may be iterators, which become arrays."""
    yield b"{"
    for number, (name, value) in enumerate(members):
        yield (b",\n" if number else b"") + json(name) + b":"
        if isinstance(value, Iterator):
            yield from json_array(value)
        else:
            yield json(value)
    yield b"}"
