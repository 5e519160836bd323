"""What holds for every answer: its request id, no caching, who may call, one path with or without a slash."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from conftest import Api, Person
from core.logging import RequestFilter
from core.tests.failures import raising
from peerprep_users.tests.calls import ATTEMPT, METHODS, OPERATIONS, PATHS, Path

pytestmark = pytest.mark.any_database

OPEN = {
    "/auth/register",
    "/auth/login",
    "/auth/refresh",
    "/auth/forgot-password",
    "/auth/verify-reset-code",
    "/auth/reset-password",
    "/auth/verify-email",
    "/auth/resend-verification",
    "/verify-email",
    "/healthz",
    "/readyz",
    "/readyz/details",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/redoc",
    "/.well-known/jwks.json",
}
EVERY_KIND = [
    pytest.param("GET", "/healthz", 200, id="200"),
    pytest.param("GET", "/openapi.json", 200, id="200-document"),
    pytest.param("GET", "/auth/verify-email?token=nonsense", 400, id="400"),
    pytest.param("GET", "/users/me", 401, id="401"),
    pytest.param("GET", "/nope", 404, id="404"),
    pytest.param("DELETE", "/auth/login", 405, id="405"),
    pytest.param("POST", "/auth/login", 422, id="422"),
    pytest.param("DELETE", "/healthz", 405, id="405-health"),
]


class Kept(logging.Handler):
    """Keeps records, marked as the service's own handler marks them."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.addFilter(RequestFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    """What is logged during the test."""
    handler, root = Kept(), logging.getLogger()
    root.addHandler(handler)
    yield handler.records
    root.removeHandler(handler)


# --- X-Request-ID ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent", ["a", "7f9c2ba4-e88f-41d2-9b1f-0c5a3ea6e3c1", "Root=1-67891233-abcdef012345678912345678", "x" * 64]
)
def test_it_echoes_a_sane_request_id(api: Api, sent: str) -> None:
    assert api.get("/healthz", **{"X-Request-ID": sent}).headers["X-Request-ID"] == sent


@pytest.mark.parametrize(
    "sent",
    [
        "",
        " ",
        "x" * 10_000,
        "two words",
        "a\nb",
        "a\r\nSet-Cookie: b",
        "a\n",
        "naïve",
        "١٢",
        '"quoted"',
        "<script>",
        "a\0b",
        "a;b",
    ],
    ids=ascii,
)
def test_it_replaces_a_request_id_that_is_not_sane(api: Api, sent: str) -> None:
    answered = api.get("/healthz", **{"X-Request-ID": sent}).headers["X-Request-ID"]
    assert answered != sent
    assert re.fullmatch(r"[A-Za-z0-9-]{16,64}", answered)


def test_it_gives_every_request_an_id_of_its_own(api: Api) -> None:
    assert len({api.get("/healthz").headers["X-Request-ID"] for _ in range(20)}) == 20


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(("method", "path", "status"), EVERY_KIND)
def test_it_puts_the_request_id_on_every_kind_of_answer(api: Api, method: str, path: str, status: int) -> None:
    answer = api(method, path, **{"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, "mine")


def test_it_puts_the_request_id_on_a_preflight(api: Api) -> None:
    wanted = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "PUT"}
    assert api("OPTIONS", "/users/me", **wanted, **{"X-Request-ID": "mine"}).headers["X-Request-ID"] == "mine"


@pytest.mark.usefixtures("transactional_db")  # the line of a lock comes once it is committed
def test_it_marks_the_lines_of_an_answer(api: Api, alice: Person, lines: list[logging.LogRecord]) -> None:
    for _ in range(3):  # the last one locks the account, which has a line of its own
        api.post("/auth/login", {**alice.credentials, "password": "wrong password"}, **{"X-Request-ID": "mine"})
    assert len(lines) > 3
    assert {line.__dict__["request_id"] for line in lines} == {"mine"}


@pytest.mark.parametrize("error", [RuntimeError, ConnectionError])
def test_it_marks_the_lines_of_a_fault(
    alice: Person, lines: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr("accounts.views.profile_of", raising(error("inside")))
    alice.api.get("/users/me", **{"X-Request-ID": "mine"})
    assert any(line.exc_info for line in lines)
    assert {line.__dict__["request_id"] for line in lines} == {"mine"}


def test_it_marks_the_lines_of_an_outage(
    alice: Person, lines: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.views.profile_of", raising(OperationalError("down")))
    assert alice.api.get("/users/me", **{"X-Request-ID": "mine"}).status_code == 503
    assert any(line.levelno == logging.ERROR for line in lines)
    assert {line.__dict__["request_id"] for line in lines} == {"mine"}


@pytest.mark.parametrize(("method", "path", "status"), EVERY_KIND[3:7])
def test_it_marks_the_lines_of_a_refusal(
    api: Api, lines: list[logging.LogRecord], method: str, path: str, status: int
) -> None:
    assert api(method, path, **{"X-Request-ID": "mine"}).status_code == status
    assert {line.__dict__["request_id"] for line in lines} == {"mine"}


def test_it_marks_no_line_with_the_request_before(api: Api, lines: list[logging.LogRecord]) -> None:
    api.get("/nope", **{"X-Request-ID": "mine"})
    logging.getLogger("accounts").warning("between two requests")
    assert lines[-1].__dict__["request_id"] == "-"


@pytest.mark.usefixtures("db")
def test_it_logs_no_secret_of_a_query(api: Api, lines: list[logging.LogRecord]) -> None:
    api.get("/auth/verify-email?token=the-secret-of-a-mail")
    assert lines
    assert not [line for line in lines if "the-secret-of-a-mail" in line.getMessage()]


def test_it_logs_why_a_form_is_refused_and_not_what_was_sent(lines: list[logging.LogRecord]) -> None:
    sent = {"Origin": "https://hush.example"}
    answer = Client(enforce_csrf_checks=True).post("/admin/accounts/user/hush/change/", headers=sent)
    said = [line.getMessage() for line in lines]
    assert (answer.status_code, said[0]) == (403, "The CSRF check failed: Origin checking failed")
    assert "hush" not in "".join(said)


# --- Caching --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if each[1] not in OPEN])
def test_it_lets_nobody_keep_personal_data(alice: Person, method: str, path: str) -> None:
    assert "no-store" in alice.api(method, path).headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login", "/auth/refresh"])
def test_it_lets_nobody_keep_tokens(api: Api, alice: Person, path: str) -> None:
    body = {**alice.credentials, "refresh_token": alice.tokens.refresh_token}
    answer = api.post(path, body if path != "/auth/register" else {**body, "email": "carol@example.com"})
    assert "access_token" in answer.json()
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(("method", "path", "status"), EVERY_KIND[2:])
def test_it_lets_nobody_keep_an_error(api: Api, method: str, path: str, status: int) -> None:
    assert api(method, path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/openapi.json"])
def test_it_has_caches_keep_apart_what_they_keep_for_other_origins(api: Api, path: str) -> None:
    for origin in ({}, {"Origin": "https://peerprep.example"}):
        assert api.get(path, **origin).headers["Vary"] == "origin"


def test_it_lets_nobody_keep_a_fault(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.views.profile_of", raising(RuntimeError("inside")))
    answer = alice.api.get("/users/me")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (500, "no-store")


# --- Authorization --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if each[1] not in OPEN])
def test_it_asks_who_is_calling(api: Api, method: str, path: str) -> None:
    answer = api(method, path)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert set(answer.json()) == {"detail", "code"}


@pytest.mark.parametrize(
    "header",
    [
        "{token}",
        "Basic YWxpY2U6cGFzc3dvcmQ=",
        "Token {token}",
        "JWT {token}",
        "Bearer",
        "Bearer ",
        "Bearer{token}",
        "Bearer: {token}",
        "Bearer {token} {token}",
        "Bearer {token},Bearer {token}",
        "Bearer null",
        "Bearer ..",
        "Bearer \0",
        "Bearer é",
        "Bearer " + "x" * 20_000,
    ],
    ids=lambda header: ascii(header[:30]),
)
def test_it_takes_nothing_but_bearer_and_a_token(alice: Person, header: str) -> None:
    answer = Api(Authorization=header.format(token=alice.tokens.access_token)).get("/users/me")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert set(answer.json()) == {"detail", "code"}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_it_takes_bearer_in_any_case(alice: Person, scheme: str) -> None:
    assert Api(Authorization=f"{scheme} {alice.tokens.access_token}").get("/users/me").status_code == 200


@pytest.mark.parametrize("path", ["/auth/login", "/auth/forgot-password"])
def test_it_minds_no_stale_token_where_none_is_needed(alice: Person, path: str) -> None:
    assert Api(token="stale").post(path, alice.credentials).status_code == 200


# --- Paths and methods ----------------------------------------------------------------------------------------------


def same(answer: Any) -> tuple[Any, ...]:
    kind = answer.headers.get("Content-Type", "")
    own = {"X-Request-ID", "Content-Length"}
    headers = {name: value for name, value in answer.headers.items() if name not in own}
    return answer.status_code, headers, answer.getvalue() if kind == "application/json" else kind


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_it_answers_alike_with_and_without_a_slash(api: Api, path: Path) -> None:
    for method in (*METHODS, "HEAD", "OPTIONS"):
        plain, slashed = api(method, path.path), api(method, path.path + "/")
        assert not 300 <= plain.status_code < 400, method
        assert same(plain) == same(slashed), method


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if each[0] == "GET"])
def test_it_answers_a_user_alike_with_and_without_a_slash(alice: Person, method: str, path: str) -> None:
    assert same(alice.api(method, path)) == same(alice.api(method, path + "/"))


@pytest.mark.parametrize("path", ["/api/v1/attempts", "/api/v1/attempts/"])
def test_it_takes_a_body_with_and_without_a_slash(alice: Person, path: str) -> None:
    assert alice.api.post(path, ATTEMPT).status_code == 201


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if each[0] == "GET"])
def test_it_answers_head_as_get_without_the_body(alice: Person, method: str, path: str) -> None:
    got, head = alice.api("GET", path), alice.api("HEAD", path)
    if path != "/metrics":  # which counts these calls
        assert head.headers.get("Content-Length") == got.headers.get("Content-Length")
    assert (head.status_code, head.headers.get("Content-Type")) == (got.status_code, got.headers.get("Content-Type"))
    assert head.getvalue() == b""
