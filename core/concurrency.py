"""How much runs at once in a process."""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import ClassVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from core.errors import Unavailable
from core.postgresql import limit_statements

REQUEST_SLOTS = 2  # the second one runs while the first waits for the database
STATEMENT_SECONDS = 5.0  # that a statement of a request may take
SLOT_WAIT = 5.0  # seconds


class Slots:
    """So many at once, and so many of them for one owner."""

    def __init__(self, total: int, per_owner: int) -> None:
        self.total = total
        self.per_owner = per_owner
        self.owners: list[str] = []  # of the slots that are taken
        self.lock = threading.RLock()  # the garbage collector may call `release` at any line of `acquire`

    def acquire(self, owner: str) -> bool:
        """Takes a slot for the owner if there is one left for them. Never waits."""
        with self.lock:
            if len(self.owners) >= self.total or self.owners.count(owner) >= self.per_owner:
                return False
            self.owners.append(owner)
            return True

    def release(self, owner: str) -> None:
        with self.lock:
            self.owners.remove(owner)


waiting_writers = Slots(total=32, per_owner=8)  # each has a thread


class RequestSlots(threading.local):
    """Permission to run Python code for a request, with the database connection that belongs to it.

    More threads at once would only wait for the GIL, and each would need a connection. There are more threads than
    slots since some requests wait for something else, or run code without the GIL: they yield their slot meanwhile.

    Django's connection pool does not replace this. With `OPTIONS["pool"]` a request waits for the pool's timeout while
    the database refuses connections, so that a few of them keep `/healthz` from being answered.
    """

    # Shared by all threads
    free: "SimpleQueue[BaseDatabaseWrapper]" = SimpleQueue()
    writers: ClassVar[set[Hashable]] = set()
    writer_left = threading.Condition()

    # Each thread's own
    acquired = False
    writer: Hashable = None

    def acquire(self, timeout: float | None = None) -> None:
        """Waits for a slot.

        Raises:
            Unavailable: there was none within `timeout` seconds.
        """
        try:
            connections[DEFAULT_DB_ALIAS] = self.free.get(timeout=timeout)
        except Empty:
            raise Unavailable(retry_after=1) from None
        self.acquired = True

    def release(self) -> None:
        """Releases the slot of this thread, if it has one, and its turn to write."""
        if self.acquired:
            self.free.put(connections[DEFAULT_DB_ALIAS])
            del connections[DEFAULT_DB_ALIAS]
            self.acquired = False
        if self.writer:
            with self.writer_left:
                self.writers.remove(self.writer)
                self.writer_left.notify_all()
            self.writer = None

    def take_turn(self, user: Hashable) -> None:
        """Waits until no other request writes for the user in this process, and holds the turn as long as the slot.

        It would wait anyway, for the user's row, and have a slot meanwhile: while that row is locked for long, the
        requests of one user could have all slots.

        Raises:
            Unavailable: after `SLOT_WAIT`, or at once if too many wait already.
        """
        if not self.acquired or self.has_turn(user):
            return
        if not waiting_writers.acquire(str(user)):
            raise Unavailable(retry_after=1)
        try:
            while not self.has_turn(user):
                with self.yielded(), self.writer_left:
                    if not self.writer_left.wait_for(lambda: user not in self.writers, SLOT_WAIT):
                        raise Unavailable(retry_after=1)
        finally:
            waiting_writers.release(str(user))

    def has_turn(self, user: Hashable) -> bool:
        with self.writer_left:
            if user not in self.writers:
                self.writers.add(user)
                self.writer = user
            return self.writer == user

    @contextmanager
    def yielded(self) -> Iterator[None]:
        """Gives the slot to another thread within the block, which must not use the database.

        Does nothing in a thread without a slot, such as a command's.
        """
        if not self.acquired:
            yield
            return
        self.release()
        try:
            yield
        finally:
            self.acquire()

    def detach(self) -> None:
        """Releases the slot but keeps the connection, until `close`."""
        self.free.put(new_connection())
        self.acquired = False

    def close(self) -> None:
        """Closes a detached connection."""
        connections[DEFAULT_DB_ALIAS].close()
        del connections[DEFAULT_DB_ALIAS]


def new_connection() -> BaseDatabaseWrapper:
    connection = connections.create_connection(DEFAULT_DB_ALIAS)
    limit_statements(connection, STATEMENT_SECONDS)
    connection.inc_thread_sharing()
    return connection


request_slots = RequestSlots()
for _ in range(REQUEST_SLOTS):
    request_slots.free.put(new_connection())
