"""What each call costs: the statements that it executes, and the work in Python.

The work is how many functions the call runs, Python's and C's, as a multiple of what a view that does nothing runs
without middleware. Unlike a time, that is the same on every machine, and differs by a few percent between versions of
Python. A loop that calls nothing is not seen. CONTRIBUTING.md says how to record it anew.
"""

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.test.client import ClientHandler
from django.test.utils import CaptureQueriesContext
from django.urls import path as route
from django.utils import timezone

import peerprep_users.wsgi  # noqa: F401 - disconnects signals, as it does in the service
from accounts.reset_codes import new_code
from accounts.tokens.jwt import verification_token
from attempts.flows import stats
from attempts.models import Attempt
from attempts.tests.factories import store_attempts
from conftest import HANDLER, PASSWORD, Person, person
from peerprep_users.tests.calls import ATTEMPT, OPERATIONS, UNKNOWN_ID

pytestmark = pytest.mark.slow

RECORD = Path(__file__).with_name("request_costs.csv")
MOST = 1.08  # times what is recorded with Python 3.11; newer versions need up to 9 % less
SERVICE_KEY = "a key of another service"
NEW_PASSWORD = "another fine password"

# Documents and pages, and what grows with the process.
LEFT_OUT = {"/openapi.json", "/docs", "/redoc", "/verify-email", "/metrics"}
NAMES = [f"{method} {path}" for method, path in OPERATIONS if path not in LEFT_OUT]
BY_UNVERIFIED = {"GET /auth/verify-email", "POST /auth/verify-email", "POST /auth/resend-verification"}

# The query of a GET, the body of the others; where none is named, there is none.
INPUT: dict[str, Callable[[Person], dict[str, Any]]] = {
    "POST /auth/register": lambda one: {"email": f"new-{one.user.email}", "password": PASSWORD},
    "POST /auth/login": lambda one: one.credentials,
    "POST /auth/refresh": lambda one: {"refresh_token": one.tokens.refresh_token},
    "POST /auth/forgot-password": lambda one: {"email": one.user.email},
    "POST /auth/verify-reset-code": lambda one: {"email": one.user.email, "code": new_code(one.user.email)},
    "POST /auth/reset-password": lambda one: {
        "email": one.user.email,
        "code": new_code(one.user.email),
        "new_password": NEW_PASSWORD,
    },
    "POST /auth/verify-password": lambda one: {"password": PASSWORD},
    "GET /auth/verify-email": lambda one: {"token": verification_token(one.user)},
    "POST /auth/verify-email": lambda one: {"token": verification_token(one.user)},
    "POST /auth/resend-verification": lambda one: {"email": one.user.email},
    "PUT /users/me": lambda one: {"name": "Al", "old_password": PASSWORD, "new_password": NEW_PASSWORD},
    "PATCH /users/me": lambda one: {"name": "Al"},
    "POST /api/v1/attempts": lambda one: ATTEMPT,
    "GET /api/v1/attempts/me": lambda one: {"limit": 20},
    "GET /users": lambda one: {"ids": one.user.pk},
    "POST /auth/introspect": lambda one: {"token": one.tokens.access_token},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_call_costs_no_more_than_is_recorded(db: None, settings: Any, name: str) -> None:
    settings.RATE_LIMIT_ENABLED = True
    settings.SERVICE_KEYS = [("matching", SERVICE_KEY)]
    empty = work_of_an_empty_view()
    for number in range(2):  # fills caches
        answered(HANDLER, request_of(name, number))
    work = work_of(HANDLER, request_of(name, 2)) / empty
    last = request_of(name, 3)
    with CaptureQueriesContext(connection) as queries:
        answered(HANDLER, last)
    if "RECORD_COSTS" in os.environ:
        record(name, len(queries), work)
    statements, recorded_work = recorded()[connection.vendor, name]
    assert len(queries) == int(statements), [query["sql"] for query in queries]
    assert work <= MOST * float(recorded_work)


def recorded() -> dict[tuple[str, str], tuple[str, str]]:
    """The statements and the work of a call on a database."""
    rows = (line.split(",") for line in RECORD.read_text().splitlines())
    return {(database, name): (statements, work) for database, name, statements, work in rows}


def record(name: str, statements: int, work: float) -> None:
    costs = recorded() | {(connection.vendor, name): (str(statements), f"{work:.1f}")}
    RECORD.write_text("".join(f"{','.join(call + cost)}\n" for call, cost in sorted(costs.items())))


def request_of(name: str, number: int) -> dict[str, Any]:
    """The call by a person of its own, who has made 25 attempts, as WSGI has it."""
    one = person(f"user{number}@example.com", is_verified=name not in BY_UNVERIFIED)
    store_attempts(one, [timezone.now() - timedelta(seconds=ago) for ago in range(25)])
    stats.rebuild_user(one.user.pk)
    method, path = name.split()
    own = one.session if "/sessions/" in path else Attempt.objects.filter(user=one.user).latest("created_at")
    shown = path.replace(UNKNOWN_ID, str(own.pk))
    sent = INPUT[name](one) if name in INPUT else {}
    if method == "GET":
        shown, sent = f"{shown}?{urlencode(sent)}", {}
    headers = {"Authorization": f"Bearer {one.tokens.access_token}", "X-Service-Key": SERVICE_KEY}
    body = json.dumps(sent) if sent else ""
    return RequestFactory().generic(method, shown, body, "application/json", headers=headers).environ


def answered(handler: ClientHandler, request: dict[str, Any]) -> None:
    response: Any = handler(request)
    assert 200 <= response.status_code < 300, response.content
    b"".join(response)


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [route("", nothing)]


@cache
def work_of_an_empty_view() -> int:
    with override_settings(MIDDLEWARE=[], ROOT_URLCONF=__name__):
        handler = ClientHandler()
        answered(handler, RequestFactory().get("/").environ)
        return work_of(handler, RequestFactory().get("/").environ)


def work_of(handler: ClientHandler, request: dict[str, Any]) -> int:
    """How many functions answering the request runs."""
    with counted_calls() as calls:
        answered(handler, request)
    return calls[0]


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    calls = [0]

    def count(frame: object, event: str, argument: object) -> None:
        if event in {"call", "c_call"}:
            calls[0] += 1

    before = sys.getprofile()
    gc.collect()
    gc.disable()  # it would run finalizers
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)
        gc.enable()
