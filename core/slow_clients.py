"""Slow and silent clients do not keep the threads of a process from everyone else."""

import errno
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from django.conf import settings

CLIENT_SECONDS = 20.0  # for a whole request, and for each part of a response
CLOSE_SECONDS = 2.0  # for the client to close its end
DRAINED_BYTES = 64 * 1024


class TooSlow(ConnectionResetError):
    """As if the client had cut the connection, which servers take for no fault of theirs."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "The client was too slow.")


class ClientSocket(socket.socket):
    """A connection whose client a thread waits for only so long, and only in one of a few places.

    It needs no place while the client keeps up. Once it has a timeout of its own, only that counts.
    """

    deadline = 0.0  # of the request that is being read
    first_bytes = b""  # of that request
    has_lingered = False
    waiting: ClassVar[dict["ClientSocket", float]] = {}  # those that a thread waits for, with their deadlines
    lock = threading.Lock()

    @classmethod
    def of(cls, accepted: socket.socket) -> "ClientSocket":
        return cls(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())

    def begin_request(self) -> None:
        self.deadline = time.monotonic() + CLIENT_SECONDS
        self.first_bytes = b""

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self.has_lingered:
            return b""
        if self.gettimeout() is not None:
            return super().recv(size, flags)
        try:
            data = super().recv(size, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            with self.place(self.deadline):
                data = super().recv(size, flags)
        self.first_bytes = self.first_bytes or data
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self.gettimeout() is not None:
            with too_slow():
                super().sendall(data, flags)
            return
        sent = 0
        with suppress(BlockingIOError):
            sent = self.send(data, flags | socket.MSG_DONTWAIT)
        if sent < len(data):
            with self.place(time.monotonic() + CLIENT_SECONDS):
                super().sendall(memoryview(data)[sent:], flags)

    @contextmanager
    def place(self, deadline: float) -> Iterator[None]:
        """Waits for the client within the block, until the deadline.

        If all places are taken, the connection whose deadline is next is cut. So a flood of slow clients cuts itself.
        """
        with self.lock:
            if len(self.waiting) >= settings.SLOW_CLIENTS:
                cut = min(self.waiting, key=self.waiting.__getitem__)
                del self.waiting[cut]
                with suppress(OSError):
                    cut.shutdown(socket.SHUT_RDWR)
            self.waiting[self] = deadline
        self.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            with too_slow():
                yield
        finally:
            self.settimeout(None)
            with self.lock:
                was_cut = self.waiting.pop(self, None) is None
        if was_cut:
            raise TooSlow

    def linger(self) -> None:
        """Lets the client read all that was sent: what it still sends after `close` would make it lose that.

        After this nothing is received any more, so that gunicorn's main thread closes the connection without waiting.
        """
        with suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            self.deadline = time.monotonic() + CLOSE_SECONDS
            drained = 0
            while drained < DRAINED_BYTES and (data := self.recv(4096)):
                drained += len(data)
        self.has_lingered = True


@contextmanager
def too_slow() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise TooSlow from None
