"""The API's own documentation: the OpenAPI document, Swagger UI and Redoc, without a CDN."""

from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView
from orjson import dumps

from core.errors import View, allow

# Both pages style themselves inline; Redoc searches in a worker that it makes of a blob.
DOCS_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; worker-src blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


INTRODUCTION = Path(__file__).with_name("api_introduction.md")
TAGS = [
    {"name": "auth", "description": "Registering, signing in and out, sessions and passwords."},
    {"name": "users", "description": "The signed-in user's own account, and the names of others."},
    {"name": "attempts", "description": "The signed-in user's coding attempts, and what they add up to."},
    {"name": "services", "description": "For other services on the internal network, each with its own key."},
    {"name": "health", "description": "For load balancers and orchestrators."},
]
METHODS = ["get", "post", "put", "patch", "delete"]


def introduce(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A hook of drf-spectacular."""
    result["info"]["description"] = INTRODUCTION.read_text()
    result["tags"] = TAGS
    return result


def order_methods(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Another: DRF has a path's methods in a set, so each process would order them differently."""
    for path, methods in result["paths"].items():
        result["paths"][path] = {method: methods[method] for method in METHODS if method in methods}
    return result


building = Lock()  # drf-spectacular's generators share state


@cache
def document() -> bytes:
    """Built once per process: it takes as long as hundreds of requests."""
    return dumps(SchemaGenerator().get_schema(request=None, public=True))


@allow("GET", "HEAD")
def openapi_json(request: HttpRequest) -> HttpResponse:
    with building:
        content = document()
    return HttpResponse(content, "application/json", headers={"Cache-Control": "public, max-age=300"})


def confined(view: View) -> View:
    """A page that shows the document, and whose browser loads nothing from any other host."""

    @allow("GET", "HEAD")
    def page(request: HttpRequest) -> HttpResponse:
        response = view(request)
        response.headers["Content-Security-Policy"] = DOCS_POLICY
        return response

    return page


def titled(title: str, template_name: str) -> dict[str, str]:
    return {"url": "/openapi.json", "template_name": template_name, "title": f"{title} - {settings.APP_NAME}"}


swagger = confined(SpectacularSwaggerSplitView.as_view(**titled("Try the API", "docs.html")))
redoc = confined(SpectacularRedocView.as_view(**titled("API reference", "redoc.html")))
