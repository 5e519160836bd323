"""The service as a newcomer meets it: a real server, a real database, real mail."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from conftest import free_port
from peerprep_users.tests.environment import DATABASE_URL
from peerprep_users.tests.servers import served
from peerprep_users.tests.story import Newcomer, inbox


@pytest.fixture
def fresh_database(tmp_path: Path) -> Iterator[str]:
    """The URL of a database of the test's own, of the kind that the suite runs on."""
    if not DATABASE_URL.startswith("postgres"):
        yield f"sqlite:///{tmp_path / 'story.sqlite3'}"
        return
    name = f"story_{uuid4().hex[:12]}"
    url = re.sub(r"\+\w+", "", DATABASE_URL, count=1)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def test_it_is_a_good_one(fresh_database: str) -> None:
    smtp_port = free_port()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(smtp_port), "MAIL_STARTTLS": "false"}
    with inbox(smtp_port) as box, served(free_port(), DATABASE_URL=fresh_database, **mail) as base_url:
        newcomer = Newcomer(base_url, box)
        for chapter in newcomer.chapters():
            chapter()
        newcomer.http.close()
