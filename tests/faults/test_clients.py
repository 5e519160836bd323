"""Clients that do not finish what they send, straight at gunicorn, under load."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.faults.load import Load
from tests.faults.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.faults]
HALF_SENT = 800  # more than there are threads
HALVES = {
    "heads": b"GET /healthz HT",
    "bodies": b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
}


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
def test_half_sent_requests_keep_no_other_waiting(
    service: Service, load: Load, verify: Callable[..., None], sent: bytes
) -> None:
    with load, load.fault(), ExitStack() as stack:
        for _ in range(HALF_SENT):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", urlsplit(service.url).port or 0)))
            client.sendall(sent)
        time.sleep(12)
    verify(load)
