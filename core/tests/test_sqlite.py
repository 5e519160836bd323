"""Who may read an SQLite database."""

from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings
from django.db.utils import ConnectionHandler


@pytest.mark.slow
@pytest.mark.usefixtures("db")
def test_the_files_of_a_new_database_are_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "users.sqlite3"
    config = {"ENGINE": "django.db.backends.sqlite3", "NAME": file, "OPTIONS": settings.SQLITE_OPTIONS}
    connection = ConnectionHandler({"default": config})["default"]
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE users (password_hash TEXT)")
        modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys([file.name, f"{file.name}-wal", f"{file.name}-shm"], "0o600")
