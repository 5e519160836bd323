"""How much runs at once in a process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import LifoQueue

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

REQUEST_SLOTS = 2  # the second one runs while the first waits for the database


class RequestSlots(threading.local):
    """Permission to run Python code for a request, with the database connection that belongs to it.

    More threads at once would only wait for the GIL, and each would need a connection. There are more threads than
    slots since some requests wait for something else, or run code without the GIL: they yield their slot meanwhile.

    Django's connection pool does not replace this. With `OPTIONS["pool"]` a request waits for the pool's timeout while
    the database refuses connections, so that a few of them keep `/healthz` from being answered.
    """

    free: "LifoQueue[BaseDatabaseWrapper]" = LifoQueue()  # shared by all threads; `acquired` is each thread's own
    acquired = False

    def acquire(self) -> None:
        """Waits for a slot."""
        connections[DEFAULT_DB_ALIAS] = self.free.get()
        self.acquired = True

    def release(self) -> None:
        """Releases the slot of this thread, if it has one."""
        if self.acquired:
            self.free.put(connections[DEFAULT_DB_ALIAS])
            del connections[DEFAULT_DB_ALIAS]
            self.acquired = False

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
    connection.inc_thread_sharing()
    return connection


request_slots = RequestSlots()
for _ in range(REQUEST_SLOTS):
    request_slots.free.put(new_connection())


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
