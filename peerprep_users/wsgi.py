"""The WSGI application, and the two things of HTTP that Django leaves to it."""

import os
from io import BytesIO
from typing import Any

import django
from django.conf import settings
from django.core.handlers import wsgi

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
        if environ.get("HTTP_TRANSFER_ENCODING") and not environ.get("CONTENT_LENGTH"):
            measure(environ)
        return super().__call__(environ, start_response)


def measure(environ: dict[str, Any]) -> None:
    """Gives a chunked body its length: Django takes a body without one for empty.

    A body over the limit is read one byte past it, which is enough to be refused as too large.
    """
    try:
        body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    except OSError:  # broken framing
        environ |= {"wsgi.input": Unreadable(), "CONTENT_LENGTH": "1"}
        return
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


django.setup(set_prefix=False)
application = Application()
