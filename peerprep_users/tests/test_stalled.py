"""A client that reads nothing does not keep its download slot for ever."""

import socket
import time

import pytest

from core.downloads import limit_stall


def test_a_send_fails_once_its_client_has_read_nothing_for_so_long() -> None:
    server, client = socket.socketpair()
    with server, client:
        limit_stall(server, 0.1)
        began = time.monotonic()
        with pytest.raises(BlockingIOError):
            server.sendall(bytes(10_000_000))
        assert time.monotonic() - began < 5
        assert client.recv(1)
