"""Middleware for the admin site alone: cookies, CSRF and its content security policy."""

from collections.abc import Callable
from typing import Any

from axes.middleware import AxesMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin

from core.middleware import is_admin


class PolicyMiddleware(MiddlewareMixin):
    """A content security policy: the site loads nothing from elsewhere and cannot be framed.

    The theme's scripts are attributes in its pages, which Alpine.js evaluates: hence `unsafe-inline` and `unsafe-eval`.
    """

    POLICY = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Content-Security-Policy", self.POLICY)
        return response


class AdminMiddleware:
    """All that only the admin site needs, out of the way of every API call."""

    LAYERS = (
        PolicyMiddleware,
        SessionMiddleware,
        CsrfViewMiddleware,
        AuthenticationMiddleware,
        MessageMiddleware,
        AxesMiddleware,
    )

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.admin_response: Callable[[HttpRequest], Any] = get_response
        self.csrf = CsrfViewMiddleware(get_response)
        for layer in reversed(self.LAYERS):
            self.admin_response = layer(self.admin_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.admin_response(request) if is_admin(request) else self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        return self.csrf.process_view(request, *view) if is_admin(request) else None
