"""What the tests of HTTP and of input go through: every path that the service has, and every call that takes a body."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from conftest import PASSWORD, Api, Person

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Path:
    """A path of the API and the methods it has; None where only calling it would tell."""

    path: str
    methods: frozenset[str] | None

    def __str__(self) -> str:
        return self.path


def walk(patterns: Iterable[URLPattern | URLResolver], prefix: str = "/") -> Iterator[Path]:
    for pattern in patterns:
        route = prefix + re.sub(r"<[^>]+>", UNKNOWN_ID, str(pattern.pattern))
        if route.startswith("/admin/"):  # a site for people, with pages and redirects of its own
            continue
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, route)
        elif route != "/":  # the start page, for people too
            actions = getattr(pattern.callback, "actions", None)
            yield Path(route, frozenset(method.upper() for method in actions) - {"HEAD"} if actions else None)


# From the URLconf, so that a new path is tested from the start.
PATHS = list(walk(get_resolver().url_patterns))
assert len(PATHS) > 30, "paths are left out"
OPERATIONS = [(method, path.path) for path in PATHS for method in METHODS if method in (path.methods or ["GET"])]


@dataclass(frozen=True)
class Call:
    """A call with a body that validates."""

    method: str
    path: str
    body: dict[str, Any]
    signed_in: bool = False
    optional: frozenset[str] = field(default_factory=frozenset)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ATTEMPT = {
    "question_id": 7,
    "language": "python",
    "submitted_code": "print(1)",
    "passed_tests": 3,
    "total_tests": 4,
    "runtime_ms": 25,
}
LARGEST = {"question_id": 2**31 - 1, "passed_tests": 2**15 - 1, "total_tests": 2**15 - 1, "runtime_ms": 2**31 - 1}
LEAST = {"question_id": 1, "passed_tests": 0, "total_tests": 0, "runtime_ms": 0}
REGISTRATION = {"email": "carol@example.com", "password": "a fine long password", "name": "Carol"}
PROFILE = {"name": "Alicia", "new_password": "another fine password", "old_password": PASSWORD}
RESET = {"email": "alice@example.com", "code": "123456", "new_password": "another fine password"}

CALLS = [
    Call("POST", "/auth/register", REGISTRATION, optional=frozenset({"name"})),
    Call("POST", "/auth/login", {"email": "alice@example.com", "password": PASSWORD}),
    Call("POST", "/auth/refresh", {"refresh_token": "a.refresh.token"}),
    Call("POST", "/auth/forgot-password", {"email": "alice@example.com"}),
    Call("POST", "/auth/verify-reset-code", {"email": "alice@example.com", "code": "123456"}),
    Call("POST", "/auth/reset-password", RESET),
    Call("POST", "/auth/verify-password", {"password": PASSWORD}, signed_in=True),
    Call("POST", "/auth/verify-email", {"token": "a-token"}),
    Call("POST", "/auth/resend-verification", {"email": "alice@example.com"}),
    Call("PUT", "/users/me", PROFILE, signed_in=True, optional=frozenset(PROFILE)),
    Call("PATCH", "/users/me", PROFILE, signed_in=True, optional=frozenset(PROFILE)),
    Call("POST", "/api/v1/attempts", ATTEMPT, signed_in=True, optional=frozenset({"runtime_ms"})),
]


WRITES = re.compile(r"\b(INSERT INTO|DELETE FROM|UPDATE \"?\w+\"? (AS \w+ )?SET)\b", re.IGNORECASE)


@contextmanager
def nothing_written() -> Iterator[None]:
    """Fails where a statement within the block writes to any table, also where that is undone later."""
    with CaptureQueriesContext(connection) as queries:
        yield
    assert not [query["sql"] for query in queries if WRITES.search(query["sql"])]


def sender(call: Call, api: Api, alice: Person) -> Api:
    return alice.api if call.signed_in else api


def refused(send: Any, method: str, path: str, body: Any = None) -> list[dict[str, Any]]:
    """The problems of a call that has to be refused in the list form, and to write nothing."""
    with nothing_written():
        answer = send(method, path, body)
    assert answer.status_code == 422, answer.content
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {"detail", "code"}
    assert answer.json()["code"] == "validation_error"
    problems: list[dict[str, Any]] = answer.json()["detail"]
    assert problems
    for problem in problems:
        assert set(problem) == {"loc", "msg", "type"}
        assert all(isinstance(problem[key], str) and problem[key] for key in ("msg", "type"))
    return problems


def places(problems: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {tuple(problem["loc"]) for problem in problems}
