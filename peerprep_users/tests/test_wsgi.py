"""What only a real server shows: framing, odd bytes, and requests that end early."""

import contextlib
import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import NamedTuple

import pytest

from core.tests.servers import free_port, served

pytestmark = pytest.mark.any_database

MIB = 1024 * 1024
LOGIN = b'{"email": "nobody@example.com", "password": "a wrong password"}'
BROKEN_CHUNKS = {
    "no size": b"\r\n",
    "no hexadecimal size": b"xyz\r\nabc\r\n0\r\n\r\n",
    "negative size": b"-5\r\nabcde\r\n0\r\n\r\n",
    "prefixed size": b"0x3\r\nabc\r\n0\r\n\r\n",
    "underscore in the size": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "huge size": b"f" * 17 + b"\r\nabc\r\n0\r\n\r\n",
    "endless size": b"1" * 10_000,
    "no end of the chunk": b"3\r\nabcdef\r\n0\r\n\r\n",
    "chunk too short": b"ff\r\nabc\r\n0\r\n\r\n",
    "cut in a size": b"3",
    "cut in a chunk": b"ff\r\n{",
    "cut before the last chunk": b"%x\r\n%b\r\n" % (len(LOGIN), LOGIN),
    "NUL": b"\0\0\0\0",
    "no chunks at all": LOGIN,
}
BAD_LENGTHS = [
    b"-1",
    b"+1",
    b"abc",
    b"1.0",
    b"0x10",
    b"1_0",
    b"5, 5",
    b"1 2",
    b"",
    b"\xb2",
    b"%d" % 2**63,
    b"1" + b"0" * 400,
]
BAD_CODINGS = [
    b"gzip",
    b"gzip, chunked",
    b"chunked, chunked",
    b"chunked, identity",
    b"identity",
    b"xchunked",
    b"",
    b"\x0bchunked",
]
BAD_HEADS = {
    "no version": b"GET /healthz\r\n\r\n",
    "no request": b"\r\n\r\n\r\n\r\n",
    "version of the future": b"GET /healthz HTTP/9.9\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "method of nobody": b"G@T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in the path": b"GET /users /me HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\0b\r\n\r\n",
    "header without a colon": b"GET /healthz HTTP/1.1\r\nHost x\r\n\r\n",
    "space before the colon": b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
    "folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\r\n b\r\n\r\n",
    "long path": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
}
BAD_PATHS = [
    b"/%",
    b"/%z",
    b"/%zz",
    b"/users/%me",
    b"/%c3%28",
    b"/%ed%a0%80",
    b"/\xff\xfe",
    b"/caf\xe9",
    b"/caf\xc3\xa9",
    b"/%00",
    b"/..%2f..%2fetc%2fpasswd",
    b"/static/..%2f..%2fmanage.py",
    b"/static/%2e%2e/manage.py",
    b"/static/%00",
    b"/static/\xff",
    b"//users//me",
    b"/users/me;x=1",
    b"/users%2fme%2f%ff",
]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def code(self) -> str:
        """The code of an error, whose form is checked."""
        assert self.headers["content-type"] == "application/json", self
        assert self.headers["x-request-id"]
        assert self.headers["cache-control"] == "no-store"
        error: dict[str, object] = json.loads(self.body)
        assert set(error) == {"detail", "code"}
        return str(error["code"])


class Wire:
    """Sends bytes as they are."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, sent: bytes, *, end: bool = False) -> Answer | None:
        """The answer; None where the server closed the connection without one.

        Args:
            end: end the sending side, as a client does that gives up.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            try:
                connection.sendall(sent)
                if end:
                    with contextlib.suppress(OSError):  # the server may have answered and gone already
                        connection.shutdown(socket.SHUT_WR)
                response = HTTPResponse(connection)
                response.begin()
                headers = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, headers, response.read())
            except (ConnectionError, BrokenPipeError):  # http.client's RemoteDisconnected is one too
                return None

    def post(self, path: bytes, body: bytes, *headers: bytes, end: bool = False) -> Answer | None:
        kind = b"" if any(line.lower().startswith(b"content-type") for line in headers) else b"application/json"
        head = [b"POST %b HTTP/1.1" % path, b"Host: x", b"Connection: close", *headers]
        return self(b"\r\n".join([*head, *([b"Content-Type: " + kind] if kind else []), b"", body]), end=end)

    def get(self, path: bytes, *headers: bytes) -> Answer:
        answer = self(b"\r\n".join([b"GET %b HTTP/1.1" % path, b"Host: x", b"Connection: close", *headers, b"", b""]))
        assert answer
        return answer

    def chunked(self, body: bytes, *, coding: bytes = b"chunked", end: bool = False) -> Answer | None:
        return self.post(b"/auth/login", body, b"Transfer-Encoding: " + coding, end=end)


@pytest.fixture(scope="module")
def wire(fresh_database: str) -> Iterator[Wire]:
    port = free_port()
    with served(port, DATABASE_URL=fresh_database, WEB_CONCURRENCY="1", LOGIN_FAILURE_LIMIT="1000"):
        yield Wire(port)


def chunks(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def refused(answer: Answer | None) -> None:
    """A 4xx in the envelope, or a closed connection."""
    if answer is not None:
        assert 400 <= answer.status < 500, answer
        assert answer.code()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_it_reads_a_chunked_body(wire: Wire, size: int) -> None:
    answer = wire.chunked(chunks(LOGIN, size))
    assert answer
    assert (answer.status, answer.code()) == (401, "invalid_credentials")


@pytest.mark.parametrize(
    "body",
    [
        b"%X\r\n%b\r\n0\r\n\r\n",
        b"%x;name=value\r\n%b\r\n0\r\n\r\n",
        b"000%x\r\n%b\r\n000\r\n\r\n",
        b"%x\r\n%b\r\n0\r\nX-Checksum: x\r\n\r\n",
    ],
    ids=["capitals", "an extension", "zeros", "a trailer"],
)
def test_it_reads_chunks_however_they_are_written(wire: Wire, body: bytes) -> None:
    answer = wire.chunked(body % (len(LOGIN), LOGIN))
    assert answer
    assert (answer.status, answer.code()) == (401, "invalid_credentials")


def test_it_takes_an_empty_chunked_body_for_empty(wire: Wire) -> None:
    answer = wire.chunked(b"0\r\n\r\n")
    assert answer
    assert (answer.status, answer.code()) == (422, "validation_error")


def test_it_refuses_a_chunked_body_over_one_mib(wire: Wire) -> None:
    answer = wire.chunked(chunks(b" " * (MIB + 1), 64 * 1024))
    assert answer
    assert (answer.status, answer.code()) == (413, "body_too_large")


def test_it_does_not_read_an_endless_chunked_body(wire: Wire) -> None:
    answer = wire.chunked(chunks(b" " * 32 * MIB, MIB))
    assert answer is None or (answer.status, answer.code()) == (413, "body_too_large")


@pytest.mark.parametrize("length", [MIB + 1, 2**31, 2**62])
def test_it_refuses_a_length_over_one_mib_before_it_comes(wire: Wire, length: int) -> None:
    answer = wire.post(b"/auth/login", b"", b"Content-Length: %d" % length)
    assert answer
    assert (answer.status, answer.code()) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("body", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_it_refuses_broken_chunks(wire: Wire, body: bytes) -> None:
    answer = wire.chunked(body, end=True)
    assert answer  # a closed connection would tell the client nothing
    refused(answer)


@pytest.mark.parametrize("coding", BAD_CODINGS)
def test_it_refuses_a_transfer_coding_it_does_not_know(wire: Wire, coding: bytes) -> None:
    refused(wire.chunked(chunks(LOGIN, 10), coding=coding, end=True))


@pytest.mark.parametrize("length", BAD_LENGTHS)
def test_it_refuses_a_length_that_is_no_number(wire: Wire, length: bytes) -> None:
    refused(wire.post(b"/auth/login", LOGIN, b"Content-Length: " + length, end=True))


def test_it_refuses_two_lengths(wire: Wire) -> None:
    refused(wire.post(b"/auth/login", LOGIN, b"Content-Length: 5", b"Content-Length: 6", end=True))


def test_it_refuses_a_length_beside_chunks(wire: Wire) -> None:
    refused(wire.post(b"/auth/login", chunks(LOGIN, 10), b"Content-Length: 5", b"Transfer-Encoding: chunked"))


@pytest.mark.parametrize("body", [b"", LOGIN, LOGIN[:-1]])
def test_it_refuses_a_body_shorter_than_its_length(wire: Wire, body: bytes) -> None:
    refused(wire.post(b"/auth/login", body, b"Content-Length: %d" % (len(LOGIN) + 10), end=True))


@pytest.mark.parametrize("sent", BAD_HEADS.values(), ids=BAD_HEADS)
def test_it_refuses_what_is_no_request(wire: Wire, sent: bytes) -> None:
    refused(wire(sent, end=True))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 17_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    ],
    ids=["URL", "header", "number of headers"],
)
def test_it_says_what_is_too_large(wire: Wire, head: bytes, status: int) -> None:
    answer = wire(head)
    assert answer
    assert (answer.status, answer.code()) == (status, "request_too_large")


@pytest.mark.parametrize("path", BAD_PATHS)
def test_it_finds_nothing_under_an_odd_path(wire: Wire, path: bytes) -> None:
    answer = wire.get(path)
    assert (answer.status, answer.code()) == (404, "not_found")


@pytest.mark.parametrize("query", [b"%", b"x=%zz", b"\xff=\xff", b"%00", b"&=&;", b"x=caf\xe9"])
def test_it_minds_no_odd_query(wire: Wire, query: bytes) -> None:
    assert wire.get(b"/healthz?" + query).status == 200
    assert wire.get(b"/users/me?" + query).code() == "not_authenticated"


@pytest.mark.parametrize("charset", [b"zlib", b"rot13", b"utf-16", b"nonsense", b"\xff", b'"', b""])
@pytest.mark.parametrize("query", [b"", b"?x=1", b"?x=%ff"])
def test_it_reads_json_whatever_the_charset(wire: Wire, charset: bytes, query: bytes) -> None:
    kind, length = b"Content-Type: application/json; charset=" + charset, b"Content-Length: %d" % len(LOGIN)
    answer = wire.post(b"/auth/login" + query, LOGIN, kind, length)
    assert answer
    assert (answer.status, answer.code()) == (401, "invalid_credentials")


@pytest.mark.parametrize("header", [b"Bearer caf\xe9", b"caf\xe9", b"\xff\xfe", b"Bearer \xc3\xa9", b"B\xe9arer x"])
def test_it_takes_no_odd_bytes_for_a_token(wire: Wire, header: bytes) -> None:
    answer = wire.get(b"/users/me", b"Authorization: " + header)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.code()


def test_it_takes_no_two_tokens(wire: Wire) -> None:
    assert wire.get(b"/users/me", b"Authorization: Bearer a", b"Authorization: Bearer b").status == 401


@pytest.mark.parametrize("sent", [b"caf\xe9", b"a\tb", b"\xc3\xa9", b"a b", b"x" * 500])
def test_it_replaces_a_request_id_that_is_not_sane(wire: Wire, sent: bytes) -> None:
    answered = wire.get(b"/healthz", b"X-Request-ID: " + sent).headers["x-request-id"]
    assert answered.encode("latin-1") != sent
    assert answered.isalnum()


@pytest.mark.parametrize(
    "name", [b"User-Agent", b"X-Forwarded-For", b"Origin", b"Accept", b"Cookie", b"Idempotency-Key"]
)
def test_it_minds_no_odd_bytes_in_a_header(wire: Wire, name: bytes) -> None:
    answer = wire.post(b"/auth/login", LOGIN, name + b": caf\xe9 \xff", b"Content-Length: %d" % len(LOGIN))
    assert answer
    assert answer.code() == "invalid_credentials"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HEAD /users/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 401),
        (b"HEAD / HTTP/9.9\r\n\r\n", 400),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\nExpect: nonsense\r\n\r\n", 400),
        (b"HEAD /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", 414),
    ],
    ids=["401", "version", "expectation", "URL"],
)
def test_it_answers_head_without_a_body(wire: Wire, sent: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", wire.port), timeout=20) as connection:
        connection.sendall(sent)
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert body == b""


@pytest.mark.parametrize("path", [b"/healthz", b"/users/me", b"/nope", b"/openapi.json", b"/verify-email"])
def test_it_says_how_long_an_answer_is(wire: Wire, path: bytes) -> None:
    answer = wire.get(path)
    assert int(answer.headers["content-length"]) == len(answer.body) > 0
    assert "transfer-encoding" not in answer.headers


@pytest.mark.parametrize("path", [b"/auth/metrics", b"/auth", b"/api/v1", b"/healthz"])
def test_it_takes_no_script_name_from_a_client(wire: Wire, path: bytes) -> None:
    named = wire.get(path, b"SCRIPT_NAME: /auth", b"PATH_INFO: /metrics")
    assert (named.status, len(named.body)) == (wire.get(path).status, len(wire.get(path).body))


def test_it_counts_probes_by_their_route(wire: Wire) -> None:
    assert wire.get(b"/healthz/").status == 200
    assert b'http_requests_total{method="GET",route="/healthz",status="200"}' in wire.get(b"/metrics").body


def test_a_page_of_another_origin_may_ask_whether_it_is_alive(wire: Wire) -> None:
    answer = wire.get(b"/healthz", b"Origin: https://app.example")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")


def test_it_reads_a_body_it_was_asked_to_expect(wire: Wire) -> None:
    answer = wire.post(b"/auth/login", LOGIN, b"Expect: 100-continue", b"Content-Length: %d" % len(LOGIN))
    assert answer
    assert answer.code() == "invalid_credentials"
