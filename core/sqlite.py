"""Connections to SQLite files."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any


class PrivateConnection(sqlite3.Connection):
    """Creates a database file for its owner alone. SQLite gives the files next to it the same mode.

    An existing file is left alone: to close it here would end the locks that this process has on it.
    """

    def __init__(self, database: str | Path, *args: Any, **kwargs: Any) -> None:
        if not str(database).startswith("file:"):
            with suppress(OSError):  # SQLite says what is wrong
                os.close(os.open(database, os.O_CREAT | os.O_EXCL, 0o600))
        super().__init__(database, *args, **kwargs)
