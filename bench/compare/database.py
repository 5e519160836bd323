"""A database of its own on the PostgreSQL server of DATABASE_URL, dropped afterwards."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from bench.compare.calls import QUESTION
from core.tests.servers import migrate

DEFAULT = "postgresql://postgres@127.0.0.1:5432/postgres"


@contextmanager
def temporary() -> Iterator[str]:
    """The URL of a migrated, empty database."""
    server = re.sub(r"\+\w+", "", os.environ.get("DATABASE_URL") or DEFAULT, count=1)
    name = f"bench_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
            migrate(url)
            yield url
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def environment(url: str) -> dict[str, str]:
    """Production, but for two rate limits that one address would reach, and tokens that outlive the benchmark."""
    return {
        "DATABASE_URL": url,
        "ENV": "prod",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "MAIL_SERVER": "127.0.0.1",  # nothing is sent
        "ACCESS_TTL_MIN": "1440",
        "RATE_LIMIT_ATTEMPTS": "1000000/min",
        "RATE_LIMIT_LOGIN": "1000000/min",
    }


def restore(url: str) -> None:
    """Removes the attempts that a round has recorded, so that the histories are as long in each."""
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("attempts", "user_question_status"):
            connection.execute(SQL("DELETE FROM {} WHERE question_id >= {}").format(Identifier(table), QUESTION))
        connection.execute("VACUUM ANALYZE")


def postmaster(url: str) -> psutil.Process | None:
    """The process that all of PostgreSQL's descend from; None if it is on another host."""
    with psycopg.connect(url) as connection:
        [pid] = connection.execute("SELECT pg_backend_pid()").fetchone()  # PgBouncer makes up the one of `info`
        try:
            backend = psutil.Process(pid)
            return backend.parent() if backend.name().startswith("postgres") else None
        except psutil.NoSuchProcess:
            return None
