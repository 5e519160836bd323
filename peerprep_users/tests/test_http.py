"""Errors, whatever the cause: one envelope, in JSON."""

import logging
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from conftest import Api, Person
from core.tests.failures import raising
from peerprep_users.tests.calls import METHODS, PATHS, UNKNOWN_ID, Path

pytestmark = pytest.mark.any_database

MIB = 1024 * 1024
UNKNOWN_PATHS = [
    "/",
    "/nope",
    "/auth",
    "/auth/nope",
    "/users/everybody",
    "/users/me/nope",
    "/users/me//",
    "/api",
    "/api/v1/attempts/me/nope",
    f"/api/v1/attempts/{UNKNOWN_ID}/nope",
    "/static/nope.js",
    "/healthz.json",
    "/Auth/Login",
    "/%00",
    "/%ff",
]


def envelope(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"detail", "code"}
    assert body["detail"][0].isupper()  # a sentence for a person
    assert body["detail"].endswith(".")
    return body


@pytest.mark.parametrize("path", UNKNOWN_PATHS)
def test_it_answers_404_where_there_is_nothing(api: Api, path: str) -> None:
    for method in METHODS:
        assert envelope(api(method, path), 404)["code"] == "not_found", method


def test_it_answers_404_to_a_post_with_a_body_where_there_is_nothing(api: Api) -> None:
    assert envelope(api.post("/nope", {"some": "body"}), 404)["code"] == "not_found"


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_it_answers_405_before_it_asks_who_is_calling(api: Api, path: Path) -> None:
    for method in set(METHODS) - (path.methods or {"GET", "POST"}):
        answer = api(method, path.path)
        assert envelope(answer, 405)["code"] == "method_not_allowed"
        allowed = set(answer.headers["Allow"].split(", "))
        assert method not in allowed
        assert allowed - {"HEAD"} == (path.methods or allowed - {"HEAD"})


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_it_answers_405_to_options_that_no_browser_asked_for(api: Api, path: Path) -> None:
    assert envelope(api("OPTIONS", path.path), 405)["code"] == "method_not_allowed"


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "NONSENSE"])
def test_it_answers_405_to_methods_nobody_has(api: Api, method: str) -> None:
    envelope(api(method, "/users/me"), 405)


@pytest.mark.parametrize("path", ["/users/me", "/auth/login", "/nope"])
def test_it_answers_a_preflight(api: Api, path: str) -> None:
    wanted = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    answer = api("OPTIONS", path, Origin="http://localhost:3000", **wanted)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"]
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("name", ["idempotency-key", "traceparent", "tracestate", "baggage", "sentry-trace"])
def test_it_lets_a_browser_send_a_header(api: Api, name: str) -> None:
    wanted = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": name}
    answer = api("OPTIONS", "/users/me", Origin="http://localhost:3000", **wanted)
    assert name in answer.headers["Access-Control-Allow-Headers"].split(", ")


def test_it_lets_a_browser_read_an_error(api: Api) -> None:
    answer = api.get("/users/me", Origin="http://localhost:3000")
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, "*")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/auth/login"), ("PUT", "/users/me"), ("POST", "/api/v1/attempts")]
)
def test_it_answers_413_to_a_body_over_one_mib(alice: Person, method: str, path: str) -> None:
    answer = alice.api(method, path, b" " * (MIB + 1))
    assert envelope(answer, 413)["code"] == "body_too_large"


def test_it_reads_a_body_of_exactly_one_mib(alice: Person) -> None:
    body = b'{"name": "Alicia"}'
    assert alice.api.put("/users/me", body + b" " * (MIB - len(body))).json()["name"] == "Alicia"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "json",
        "",
    ],
)
def test_it_answers_415_to_other_content_types(api: Api, kind: str) -> None:
    answer = api.client.generic("POST", "/auth/login", b'{"email": "a@example.com", "password": "b"}', kind)
    assert envelope(answer, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json;charset=zlib"]
)
def test_it_reads_json_however_its_type_is_spelt(alice: Person, kind: str) -> None:
    answer = alice.api.client.generic("PUT", "/users/me", b'{"name": "Alicia"}', kind, headers=alice.api.headers)
    assert answer.json()["name"] == "Alicia"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0", "nonsense"])
def test_it_answers_in_json_whatever_is_accepted(api: Api, accept: str) -> None:
    envelope(api.get("/users/me?format=xml", Accept=accept), 401)


@pytest.mark.parametrize(
    ("flow", "method", "path"),
    [
        ("accounts.views.sessions.log_out", "POST", "/auth/logout"),
        ("accounts.views.profile_of", "GET", "/users/me"),
        ("accounts.authentication.AccessToken.read", "GET", "/users/me"),
        ("accounts.verify_email_page.render_page", "GET", "/verify-email"),
    ],
)
class TestAFault:
    """Something fails that should not."""

    def test_it_answers_500_and_tells_nothing_of_the_inside(
        self, alice: Person, monkeypatch: pytest.MonkeyPatch, flow: str, method: str, path: str
    ) -> None:
        monkeypatch.setattr(flow, raising(RuntimeError("secret of the inside")))
        answer = alice.api(method, path)
        assert envelope(answer, 500)["code"] == "internal_error"
        said = f"{answer.content!r} {answer.headers}"
        assert not [word for word in ("secret", "RuntimeError", "Traceback", ".py") if word in said]

    def test_it_logs_the_fault(
        self,
        alice: Person,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        flow: str,
        method: str,
        path: str,
    ) -> None:
        monkeypatch.setattr(flow, raising(RuntimeError("secret of the inside")))
        alice.api(method, path)
        faults = [record for record in caplog.records if record.levelno == logging.ERROR and record.exc_info]
        assert len(faults) == 1
        assert "secret of the inside" in str(faults[0].exc_info)

    @pytest.mark.parametrize("error", [OperationalError, InterfaceError])
    def test_it_answers_503_when_the_database_is_down(
        self, alice: Person, monkeypatch: pytest.MonkeyPatch, error: type[Exception], flow: str, method: str, path: str
    ) -> None:
        monkeypatch.setattr(flow, raising(error("could not connect to db.internal")))
        answer = alice.api(method, path)
        assert envelope(answer, 503)["code"] == "service_unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
        assert "db.internal" not in answer.content.decode()


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
def test_it_is_alive_without_asking_the_database(api: Api, path: str) -> None:
    # No database fixture: a query would be an error.
    answer = api.get(path)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


@pytest.mark.usefixtures("db")
def test_it_is_ready_when_the_database_is_up(api: Api) -> None:
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_it_is_not_ready_when_the_database_is_down(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    with monkeypatch.context() as moment:
        moment.setattr(connection, "cursor", raising(error("could not connect to db.internal")))
        answer = api.get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert {"detail", "code"} <= set(answer.json())
    assert "database" in answer.content.decode()  # what is down
    assert "db.internal" not in answer.content.decode()


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/readyz/details"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_it_shows_a_proxy_nothing_of_the_inside(api: Api, header: str, method: str, path: str) -> None:
    assert api.get(path).status_code == 200
    answer = api(method, path, **{header: ""})
    assert answer.status_code == 404
    assert method == "HEAD" or envelope(answer, 404)["code"] == "not_found"
    assert api.get("/readyz", **{header: "203.0.113.7"}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs", "/redoc"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_answers_405_where_there_is_no_view_of_the_api_either(method: str, path: str) -> None:
    answer = Api()(method, path, {})
    assert envelope(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["Allow"] == "GET, HEAD"


def test_errors_about_static_files_have_the_envelope_too() -> None:
    path = "/static/admin/css/base.css"
    refused = Api().post(path)
    assert envelope(refused, 405)["code"] == "method_not_allowed"
    assert refused.headers["Allow"] == "GET, HEAD"
    beyond = Api().get(path, Range="bytes=99999999-")
    assert envelope(beyond, 416)["detail"]
    assert beyond.headers["Content-Range"].startswith("bytes */")
