"""Answers that are sent while they are made, so that they may be of any length."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import orjson
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

PIECE = 64 * 1024


def download(request: Request, content: Iterable[bytes], kind: str, filename: str) -> HttpResponseBase:
    """The content as a file to keep.

    Its first piece is made before the answer begins: what fails from the start is answered as a failure. Where a later
    one fails the connection is cut, which clients notice.
    """
    headers = {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{filename}"'}
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    made = pieces(content)
    return StreamingHttpResponse(chain([next(made)], made), headers=headers)


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
