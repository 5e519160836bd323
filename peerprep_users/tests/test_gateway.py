"""What the gateway passes on, by a real nginx where there is one."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit, setrlimit
from urllib.parse import unquote, urlsplit

import pytest
from django.test import Client

from core.tests.gateways import nginx
from core.tests.servers import ROOT, free_port

pytestmark = pytest.mark.slow


def test_the_gateway_opens_no_other_paths() -> None:
    config = (ROOT / "deploy/gateway/nginx.conf").read_text()
    opened = set(re.findall(r"location (?:= )?(/\S+) \{\s+proxy_pass", config))
    paths = {"/api/v1/users/", "/auth/", "/api/v1/attempts/", "/verify-email/"}
    assert opened == paths | {path.rstrip("/") for path in paths}


class Reached(BaseHTTPRequestHandler):
    """Stands where the service would, and says what came through."""

    def do_GET(self) -> None:
        if self.path == "/auth/gone":
            return  # the connection ends without an answer
        self.send_response(200)
        self.send_header("X-Scheme", self.headers["X-Forwarded-Proto"])
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def service(port: int = 0) -> Iterator[int]:
    """The port of what stands where the service would."""
    with ThreadingHTTPServer(("127.0.0.1", port), Reached) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx with the gateway's configuration."""
    with service() as behind, nginx("shipped", f"127.0.0.1:{behind}", tmp_path_factory.mktemp("gateway")) as port:
        yield port


def passed_on(port: int, path: str) -> tuple[int, str]:
    """What the gateway answers to a path that no client has tidied up."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


REFUSED = {
    b"GET /%00 HTTP/1.1": (400, "bad_request"),
    b"GET /auth/%00 HTTP/1.1": (400, "bad_request"),
    b"GET /x HTTP/1.1": (404, "not_found"),
    b"GET /error/400 HTTP/1.1": (404, "not_found"),
    b"GET /%b HTTP/1.1" % (b"x" * 40_000): (414, "request_too_large"),
    b"GET /auth/x HTTP/1.1\r\nX: %b" % (b"x" * 40_000): (431, "request_too_large"),
    b"POST /auth/x HTTP/1.1\r\nContent-Length: 2000000": (413, "body_too_large"),
    b"POST /auth/x HTTP/1.1\r\nContent-Length: x": (400, "bad_request"),
    b"POST /auth/x HTTP/1.1\r\nTransfer-Encoding: gzip": (501, "bad_request"),
    b"TRACE /auth/x HTTP/1.1": (405, "method_not_allowed"),
    b"CONNECT /auth/x HTTP/1.1": (405, "method_not_allowed"),
    b"nonsense": (400, "bad_request"),
    b"GET /auth/x HTTP/9.9": (505, "bad_request"),
    b"GET /auth/gone HTTP/1.1": (503, "service_unavailable"),
}


@pytest.mark.parametrize("sent", REFUSED, ids=lambda sent: sent[:60].decode())
def test_what_the_gateway_refuses_is_json(gateway: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway), timeout=10) as connection:
        connection.sendall(sent + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = HTTPResponse(connection)
        answer.begin()
        found = json.loads(answer.read())
    assert (answer.status, found["code"], set(found)) == (*REFUSED[sent], {"detail", "code"})
    assert answer.getheader("Content-Type") == "application/json"
    assert answer.getheader("Cache-Control") == "no-store"
    assert answer.getheader("X-Request-ID")
    assert bool(answer.getheader("Retry-After")) == (answer.status == 503)


TOO_MANY = '{"detail": "Too many requests from your address. Try again later.", "code": "rate_limited"}'


def test_a_replica_that_was_away_is_called_two_seconds_later(tmp_path: Path) -> None:
    """So the next one may be replaced then: see docs/upgrades.md."""
    away = free_port()
    with ExitStack() as replaced:
        up = replaced.enter_context(service())
        with nginx("shipped", f"127.0.0.1:{up} 127.0.0.1:{away}", tmp_path) as port:
            assert [passed_on(port, "/auth/x")[0] for _ in range(2)] == [200, 200]
            replaced.close()
            with service(away):
                time.sleep(2)
                assert passed_on(port, "/auth/x")[0] == 200


@pytest.mark.parametrize("path", ["/verify-email?token=x", "/verify-email/?token=x"])
def test_the_gateway_passes_a_mailed_link_on(gateway: int, path: str) -> None:
    assert passed_on(gateway, path) == (200, path)


@pytest.mark.parametrize(
    ("said", "kept"), [("https", "https"), ("http", "http"), (None, "http"), ("https, http", "http"), ("x", "http")]
)
def test_the_gateway_keeps_the_scheme_that_a_proxy_in_front_said(gateway: int, said: str | None, kept: str) -> None:
    with closing(HTTPConnection("127.0.0.1", gateway, timeout=10)) as connection:
        connection.request("GET", "/auth/x", headers={"X-Forwarded-Proto": said} if said else {})
        assert connection.getresponse().getheader("X-Scheme") == kept


def test_one_client_with_half_sent_requests_does_not_cut_others_off(gateway: int) -> None:
    _, most = getrlimit(RLIMIT_NOFILE)
    setrlimit(RLIMIT_NOFILE, (min(most, 4096), most))
    heads, bodies = [b"GET / HT"] * 1200, [b"POST /auth/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"] * 450
    with ExitStack() as stack:
        for sent in heads + bodies:
            half = stack.enter_context(socket.create_connection(("127.0.0.1", gateway)))
            half.sendall(sent)
        with socket.create_connection(("127.0.0.1", gateway), 10, ("127.0.0.3", 0)) as other:
            other.sendall(b"GET /auth/x HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.1 200 ")
        assert passed_on(gateway, "/auth/x") == (429, TOO_MANY)


def test_the_gateway_passes_nothing_of_the_inside_on(gateway: int) -> None:
    assert passed_on(gateway, "/api/v1/users/users/me?x=metrics") == (200, "/users/me?x=metrics")
    for name in ("admin", "admin/login", "docs", "redoc", "openapi.json", "static/x", "internal/revocations"):
        assert passed_on(gateway, f"/api/v1/users/{name}")[0] == passed_on(gateway, f"/{name}")[0] == 404
    for base in ("/auth/introspect", "/api/v1/users/auth/introspect", "/auth/introspect/", "/auth/x/../introspect"):
        assert passed_on(gateway, base)[0] == 404


def test_the_gateway_passes_no_path_on_that_leads_elsewhere(gateway: int) -> None:
    for dots in ("..", "%2e%2e", ".%2E", "."):
        for path in (f"/admin/x/{dots}/{dots}/auth/change/", f"/auth/{dots}/auth/x", f"/auth/{dots}?x"):
            assert passed_on(gateway, path)[0] == 404, path
    assert passed_on(gateway, "/auth/x?next=/../y") == (200, "/auth/x?next=/../y")


def test_the_gateway_passes_no_metrics_on(gateway: int) -> None:
    for name in ("metrics", "%6detrics", "metric%73", "readyz/details", "readyz%2fdetails", "readyz//details"):
        for path in (name, f"{name}/", f"{name}?x", f"/{name}", f"./{name}", f"x/../{name}", f"{name};x", f"{name}%00"):
            for base in ("/api/v1/users/", "/auth/../api/v1/users/", "/auth/../", "/api/v1/attempts/../../../", "/"):
                status, answer = passed_on(gateway, base + path)
                reached = urlsplit(answer).path.rstrip("/") if status == 200 else ""
                assert unquote(reached) not in {"/metrics", "/readyz/details"}, base + path
                assert status in {400, 404} or unquote(reached).endswith(";x"), (base + path, status, answer)
    for odd in ("Metrics", "METRICS", "metrics%20", "metrics.", "%2e%2e/metrics"):
        status, answer = passed_on(gateway, f"/api/v1/users/{odd}")
        assert status in {400, 404} or Client().get(answer).status_code == 404, odd
