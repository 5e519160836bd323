"""The WSGI application, and the two things of HTTP that Django leaves to it."""

import os
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import django
from django.conf import settings
from django.core.handlers import wsgi

from core.concurrency import seats
from core.downloads import cut_off_when_stalled

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peerprep_users.settings")


class Request(wsgi.WSGIRequest):
    """Reads every query and body as UTF-8: a charset such as `zlib` in Content-Type would break the query's parsing."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        kind = meta.get("CONTENT_TYPE", "").partition(";")[0]
        super()._set_content_type_params({"CONTENT_TYPE": kind})  # type: ignore[misc]  # private, not in the stubs


class Unreadable:
    """A body that fails whoever reads it, as a cut connection does."""

    def read(self, size: int = -1) -> bytes:
        raise OSError

    readline = read


class Application(wsgi.WSGIHandler):
    request_class = Request

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)  # gunicorn lets nothing else through
        if environ.get("HTTP_TRANSFER_ENCODING") or 0 < length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            read_body(environ)
        seats.sit_down()
        try:
            response = super().__call__(environ, start_response)
            if not getattr(response, "streaming", False):
                if environ["REQUEST_METHOD"] == "HEAD":
                    response.content = b""  # type: ignore[attr-defined]  # Django leaves it to the server, which complains
                return response
            if connection := environ.get("gunicorn.socket"):
                cut_off_when_stalled(connection)
            return Stream(response)
        finally:
            seats.stand_up()


class Stream:
    """An answer that is made while it is sent. It takes no seat meanwhile, and has a connection that ends with it."""

    def __init__(self, response: Any) -> None:
        self.response = response
        seats.walk_off()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.response)

    def close(self) -> None:
        try:
            self.response.close()
        finally:
            seats.hang_up()


def read_body(environ: dict[str, Any]) -> None:
    """Reads the body before anything decides about the request; of a chunked one, a byte more than is allowed.

    A request may be refused without its body being looked at. What the server had not read of it by then would meet the
    next request of the same connection. And Django takes a chunked body, which has no length, for empty.
    """
    try:
        body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    except OSError:  # broken framing, or a client that is gone
        environ |= {"wsgi.input": Unreadable(), "CONTENT_LENGTH": "1"}
        return
    environ["wsgi.input"] = BytesIO(body)
    if environ.get("HTTP_TRANSFER_ENCODING"):
        environ["CONTENT_LENGTH"] = str(len(body))


django.setup(set_prefix=False)
application = Application()
