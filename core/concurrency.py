"""Who may compute: few requests of a process at once, since its threads only wait for each other at the GIL.

There are more threads than seats, so that a request which waits for something else, or leaves the work to code without
the GIL, keeps nobody from being answered: it gives its seat up meanwhile. The database connection belongs to the seat,
so that there are no more of these either, however many wait.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import LifoQueue

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

SEATS = 2  # the second is for while the first waits for the database


class Seats(threading.local):
    free: "LifoQueue[BaseDatabaseWrapper]" = LifoQueue()  # one for all threads; the rest is each thread's own
    seated = False

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Leaves this thread's seat to another one within the block, which must not touch the database.

        A thread without a seat, such as a command's, just goes on.
        """
        if not self.seated:
            yield
            return
        self.stand_up()
        try:
            yield
        finally:
            self.sit_down()

    def sit_down(self) -> None:
        """Waits for a seat, and takes it."""
        connections[DEFAULT_DB_ALIAS] = self.free.get()
        self.seated = True

    def stand_up(self) -> None:
        """Leaves the seat, if this thread has one, for the next who waits."""
        if self.seated:
            self.free.put(connections[DEFAULT_DB_ALIAS])
            del connections[DEFAULT_DB_ALIAS]
            self.seated = False

    def walk_off(self) -> None:
        """Leaves the seat, and goes on with its connection, for as long as the client takes. `hang_up` ends that."""
        self.free.put(new_connection())
        self.seated = False

    def hang_up(self) -> None:
        connections[DEFAULT_DB_ALIAS].close()
        del connections[DEFAULT_DB_ALIAS]


def new_connection() -> BaseDatabaseWrapper:
    connection = connections.create_connection(DEFAULT_DB_ALIAS)
    connection.inc_thread_sharing()
    return connection


seats = Seats()
for _ in range(SEATS):
    seats.free.put(new_connection())


class Slots:
    """So many at once in this process, and so many of them for one owner."""

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
