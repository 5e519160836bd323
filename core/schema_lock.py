"""One change of a database's schema, or of its rows as a whole, at a time: replicas that start together all migrate."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

LOCK_NUMBER = 0x7065657270726570  # "peerprep"
POLL_SECONDS = 0.2


def schema_lock(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Waits for those who hold the lock of this database."""
    return locked_on_postgresql(connection) if connection.vendor == "postgresql" else locked_on_sqlite(connection)


@contextmanager
def locked_on_postgresql(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Holds an advisory lock in a transaction of another connection, which works through PgBouncer too.

    It polls, each time in a new transaction: a statement that waits would have a snapshot, for the end of which CREATE
    INDEX CONCURRENTLY waits.
    """
    with closing(connection.copy()) as holder:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            while not is_locked(cursor):
                holder.rollback()
                time.sleep(POLL_SECONDS)
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # and ends the snapshot, too
            yield


def is_locked(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK_NUMBER])
    return bool(cursor.fetchone()[0])


@contextmanager
def locked_on_sqlite(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Locks the folder of the database file: closing the file itself would drop the locks of SQLite."""
    folder = os.open(Path(str(connection.settings_dict["NAME"])).resolve().parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
