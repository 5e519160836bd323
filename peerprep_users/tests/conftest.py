"""What the tests of the whole service share."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from peerprep_users.tests.environment import DATABASE_URL


@pytest.fixture(scope="module")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database of the module's own, of the kind that the suite runs on."""
    if not DATABASE_URL.startswith("postgres"):
        yield f"sqlite:///{tmp_path_factory.mktemp('fresh') / 'db.sqlite3'}"
        return
    name = f"fresh_{uuid4().hex[:12]}"
    url = re.sub(r"\+\w+", "", DATABASE_URL, count=1)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
