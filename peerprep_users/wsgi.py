"""The WSGI application, and what Django leaves to it."""

import os
import threading
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import django
from django.conf import settings
from django.core.cache import close_caches
from django.core.handlers import wsgi
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from core.concurrency import request_slots
from core.downloads import limit_stall
from core.errors import ErrorResponse, Unavailable, View
from core.middleware import RequestMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peerprep_users.settings")


class Request(wsgi.WSGIRequest):
    """Reads every query and body as UTF-8: a charset such as `zlib` in Content-Type would break the query's parsing."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        kind = meta.get("CONTENT_TYPE", "").partition(";")[0]
        super()._set_content_type_params({"CONTENT_TYPE": kind})  # type: ignore[misc]  # private, not in the stubs


class Application(wsgi.WSGIHandler):
    """Answers a request in one of the request slots. `/healthz`, which must not depend on the database, needs none."""

    request_class = Request
    threads = threading.BoundedSemaphore(settings.REQUEST_THREADS)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)  # gunicorn has checked it
        if environ.get("HTTP_TRANSFER_ENCODING") or 0 < length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            read_body(environ)
        if environ["PATH_INFO"] in {"/healthz", "/healthz/"}:
            if "HTTP_ORIGIN" in environ:  # its answer has the headers of CORS
                return self.answer(environ, start_response)
            return self.answer_alone(alive, environ, start_response)
        if not self.threads.acquire(blocking=False):
            return self.answer_alone(busy, environ, start_response)
        try:
            request_slots.begin()
            return self.answer(environ, start_response)
        except Unavailable:
            return self.answer_alone(busy, environ, start_response)
        finally:
            request_slots.release()
            self.threads.release()

    def answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        response = super().__call__(environ, start_response)
        if isinstance(response, HttpResponse):
            if environ["REQUEST_METHOD"] == "HEAD":
                response.content = b""  # Django leaves it to the server, which complains
            return response
        if client := environ.get("gunicorn.socket"):
            limit_stall(client)
        return StreamedResponse(response)

    def answer_alone(self, view: View, environ: dict[str, Any], start_response: Any) -> Any:
        """Answers without a slot, so without all that may need the database."""
        response = RequestMiddleware(view)(self.request_class(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else response


def busy(request: HttpRequest) -> HttpResponse:
    return ErrorResponse(Unavailable(retry_after=1))


def alive(request: HttpRequest) -> HttpResponse:
    """Liveness without Django's handler and middleware: 0.7 of the CPU time of such a call, with gunicorn's part."""
    request.resolver_match = HEALTHZ  # for the log and the counts
    response: HttpResponse = HEALTHZ.func(request)
    return response


class StreamedResponse:
    """A response that is made while it is sent: without a slot, and with a connection that is closed with it."""

    def __init__(self, response: Any) -> None:
        self.response = response
        request_slots.detach()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.response)

    def close(self) -> None:
        try:
            self.response.close()
        finally:
            request_slots.close()


def read_body(environ: dict[str, Any]) -> None:
    """Reads the body before the request is looked at; of a chunked one, at most a byte more than is allowed.

    A request may be refused without its body being read. The rest of it would then be taken for the next request of the
    same connection. And Django takes a chunked body, which has no length, for empty.
    """
    try:
        body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    except OSError:  # broken framing, or a client that disconnected
        environ |= {"wsgi.input": BrokenBody(), "CONTENT_LENGTH": "1"}
        return
    environ["wsgi.input"] = BytesIO(body)
    if environ.get("HTTP_TRANSFER_ENCODING"):
        environ["CONTENT_LENGTH"] = str(len(body))


class BrokenBody:
    """Raises what a cut connection raises, once a view reads it."""

    def read(self, size: int = -1) -> bytes:
        raise OSError

    readline = read


django.setup(set_prefix=False)
# A slot looks after its connection itself: see `RequestSlots.release`. There is no log of queries and no cache.
request_started.disconnect(reset_queries)
request_started.disconnect(close_old_connections)
request_finished.disconnect(close_old_connections)
request_finished.disconnect(close_caches)
application = Application()
HEALTHZ = resolve("/healthz")
