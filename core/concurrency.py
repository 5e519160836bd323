"""How much runs at once in a process."""

import threading
import time
from bisect import insort
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from queue import Empty, SimpleQueue
from typing import ClassVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from core.errors import Unavailable
from core.postgresql import limit_statements

REQUEST_SLOTS = 2  # the second one runs while the first waits for the database
LAST_SECONDS = 1.0  # of a request's time, in which it does not wait for other requests
LEAST_SECONDS = 0.2  # for a statement, however late it is


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


waiting_writers = Slots(total=48, per_owner=24)  # each has a thread; 20 refreshes of one user at once all succeed


class FreeConnections:
    """The connections of the slots that are free. The next one goes to the request that began first.

    One queue for all would give it to whichever thread runs first: mostly to the one that has just put it back and has
    a new request by now. With 64 connections, p99 was 6 to 7 times p50. And a request that comes back for its slot may
    have the turn of its user, so those that came later must not keep it waiting.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.free: deque[BaseDatabaseWrapper] = deque()
        self.waiting: list[tuple[float, SimpleQueue[BaseDatabaseWrapper]]] = []  # the earliest deadline first

    def put(self, connection: BaseDatabaseWrapper) -> None:
        with self.lock:
            if self.waiting:
                _, first = self.waiting.pop(0)
                first.put(connection)
            else:
                self.free.append(connection)

    def get(self, deadline: float = 0.0, timeout: float | None = None) -> BaseDatabaseWrapper:
        """Waits for one.

        Args:
            deadline: of the request.

        Raises:
            Empty: none came in time.
        """
        own = deadline, SimpleQueue[BaseDatabaseWrapper]()
        with self.lock:
            if self.free:
                return self.free.popleft()
            insort(self.waiting, own, key=itemgetter(0))
        try:
            return own[1].get(timeout=timeout)
        except Empty:
            with self.lock:
                if own in self.waiting:
                    self.waiting.remove(own)
                    raise
            return own[1].get()  # it came in this very moment


class RequestSlots(threading.local):
    """Permission to run Python code for a request, with the database connection that belongs to it.

    More threads at once would only wait for the GIL, and each would need a connection. There are more threads than
    slots since some requests wait for something else, or run code without the GIL: they yield their slot meanwhile.

    Django's connection pool does not replace this. With `OPTIONS["pool"]` a request waits for the pool's timeout while
    the database refuses connections, so that a few of them keep `/healthz` from being answered.
    """

    # Shared by all threads
    free = FreeConnections()
    writers: ClassVar[set[Hashable]] = set()
    writer_left = threading.Condition()

    # Each thread's own
    deadline: float | None = None  # of its request
    acquired = False
    surplus = False  # whether it has a connection without a slot, since there was none for it in time
    writer: Hashable = None

    def begin(self) -> None:
        """Waits for a slot for a new request, which has `REQUEST_TIME` from now on.

        Raises:
            Unavailable.
        """
        self.deadline = time.monotonic() + settings.REQUEST_TIME.total_seconds()
        self.acquire()

    @property
    def seconds_left(self) -> float:
        """Until this thread's request is to be answered; never less than it needs to end."""
        if self.deadline is None:
            return float(settings.REQUEST_TIME.total_seconds())
        return max(LAST_SECONDS, self.deadline - time.monotonic())

    @property
    def patience(self) -> float:
        """Seconds that this thread's request may wait for others, less what it has waited before."""
        return self.seconds_left - LAST_SECONDS

    def acquire(self) -> None:
        """Waits for a slot.

        Raises:
            Unavailable: there was none in the time that is left.
        """
        try:
            connection = self.free.get(self.deadline or 0.0, self.seconds_left)
        except Empty:
            raise Unavailable(retry_after=1) from None
        limit_statements(connection, LEAST_SECONDS, time.monotonic() + self.seconds_left)
        connections[DEFAULT_DB_ALIAS] = connection
        self.acquired = True

    def release(self) -> None:
        """Releases the slot of this thread, if it has one, and its turn to write."""
        if self.acquired:
            connection = connections[DEFAULT_DB_ALIAS]
            connection.close_if_unusable_or_obsolete()  # the next one may take it in the middle of a request
            self.free.put(connection)
            del connections[DEFAULT_DB_ALIAS]
            self.acquired = False
        elif self.surplus:
            self.close()
            self.surplus = False
        if self.writer is not None:
            with self.writer_left:
                self.writers.remove(self.writer)
                self.writer_left.notify_all()
            self.writer = None

    def take_turn(self, user: Hashable) -> None:
        """Waits until no other request writes for the user in this process, and holds the turn as long as the slot.

        It would wait anyway, for the user's row, and have a slot meanwhile: while that row is locked for long, the
        requests of one user could have all slots.

        Raises:
            Unavailable: it took too long, or too many wait already.
        """
        if not self.acquired or self.has_turn(user):
            return
        if not waiting_writers.acquire(str(user)):
            raise Unavailable(retry_after=1)
        try:
            # Whoever is next has the turn before it asks for its slot again, so the others do not come back in vain.
            with self.yielded(), self.writer_left:
                if not self.writer_left.wait_for(lambda: self.has_turn(user), self.patience):
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

        Raises:
            Unavailable: there is no slot to go on in. What must be cleaned up may use the database all the same.
        """
        if not self.acquired:
            yield
            return
        self.release()
        try:
            yield
        finally:
            try:
                self.acquire()
            except Unavailable:
                connections[DEFAULT_DB_ALIAS] = new_connection()
                limit_statements(connections[DEFAULT_DB_ALIAS], LAST_SECONDS)
                self.surplus = True
                raise

    def detach(self) -> None:
        """Releases the slot but keeps the connection, until `close`."""
        limit_statements(connections[DEFAULT_DB_ALIAS], settings.REQUEST_TIME.total_seconds())
        self.free.put(new_connection())
        self.acquired = False

    def close(self) -> None:
        """Closes a connection without a slot."""
        connections[DEFAULT_DB_ALIAS].close()
        del connections[DEFAULT_DB_ALIAS]


def new_connection() -> BaseDatabaseWrapper:
    connection = connections.create_connection(DEFAULT_DB_ALIAS)
    connection.inc_thread_sharing()
    return connection


request_slots = RequestSlots()
for _ in range(REQUEST_SLOTS):
    request_slots.free.put(new_connection())
