"""Clients that send or read slowly, or nothing at all, keep nothing from others for long."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

import httpx
import pytest

from attempts.tests.factories import attempt
from conftest import Person
from core import downloads, slow_clients
from core.downloads import PIECE_BYTES, limit_stall
from core.slow_clients import ClientSocket, TooSlow
from core.tests.servers import free_port, served

pytestmark = pytest.mark.slow

STALLED = {
    "silent": b"",
    "half a head": b"GET /healthz HT",
    "half a body": b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    "half a chunk": b"POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "an end that it does not close": b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an error that it does not close": b"GET /healthz HTTP/9.9\r\n\r\n",
    "answers that it does not read": b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 40,
}


@pytest.fixture(scope="module")
def base_url(fresh_database: str) -> Iterator[str]:
    with served(free_port(), DATABASE_URL=fresh_database, WEB_CONCURRENCY="1") as url:
        yield url


@pytest.mark.any_database
@pytest.mark.parametrize("sent", STALLED.values(), ids=STALLED)
def test_two_hundred_stalled_clients_keep_a_server_from_nothing(base_url: str, sent: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", int(base_url.rpartition(":")[2])))
            client.setblocking(False)
            client.send(sent)
        for _ in range(5):
            began = monotonic()
            assert httpx.get(f"{base_url}/healthz", timeout=20).status_code == 200
            assert monotonic() - began < 4  # without places for slow clients no answer comes


@pytest.fixture
def connection() -> Iterator[tuple[ClientSocket, socket.socket]]:
    """The server's end and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        with ClientSocket.of(listener.accept()[0]) as server:
            yield server, client


def test_a_request_that_comes_byte_by_byte_is_cut_off(
    connection: tuple[ClientSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = connection
    monkeypatch.setattr(slow_clients, "CLIENT_SECONDS", 0.5)
    server.begin_request()
    with in_background(lambda: client.send(b"x")), pytest.raises(TooSlow):
        list(iter(lambda: server.recv(1), b""))


def test_a_download_that_is_read_byte_by_byte_is_cut_off(
    connection: tuple[ClientSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = connection
    monkeypatch.setattr(downloads, "PIECE_SECONDS", 0.5)
    limit_stall(server)
    with in_background(lambda: client.recv(100)), pytest.raises(TooSlow):
        send_pieces(server, 1000)


def test_a_download_that_is_read_goes_on(connection: tuple[ClientSocket, socket.socket]) -> None:
    server, client = connection
    limit_stall(server)
    with in_background(lambda: client.recv(100_000)):
        send_pieces(server, 5)


def test_a_download_that_takes_too_long_is_cut_off(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        attempt(alice, submitted_code="x" * PIECE_BYTES)
    pieces = iter(alice.api.get("/users/me/export").streaming_content)
    assert next(pieces)
    now = monotonic()
    monkeypatch.setattr(downloads, "monotonic", lambda: now + 11 * 60)
    with pytest.raises(TooSlow):
        list(pieces)


def send_pieces(server: ClientSocket, number: int) -> None:
    for _ in range(number):
        server.sendall(bytes(PIECE_BYTES))


@contextmanager
def in_background(step: Callable[[], object]) -> Iterator[None]:
    """Repeats a step of the client, every 10 ms, until the block ends."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(0.01):
            step()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    done.set()
    thread.join()
