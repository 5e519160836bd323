"""A database that is not as it must be: somebody took away a privilege, a table or a column."""

from typing import Any

import pytest
from django.db import connection

from conftest import Api, Person
from peerprep_users.tests.story import SOLVED

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has none of this")


def execute(*statements: str) -> None:
    """In the test's transaction, which undoes it."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # ALTER TABLE takes no pending checks of foreign keys
        for sql in statements:
            cursor.execute(sql)


def assert_try_later(answer: Any) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    "change", ["ALTER TABLE sessions RENAME TO elsewhere", "ALTER TABLE users RENAME COLUMN role TO elsewhere"]
)
def test_a_missing_table_or_column_is_try_later(alice: Person, change: str) -> None:
    execute(change)
    assert_try_later(alice.api.get("/users/me"))


@on_postgresql
def test_a_missing_privilege_is_try_later(alice: Person) -> None:
    execute("CREATE ROLE stranger", "GRANT SELECT ON sessions, users TO stranger", "SET ROLE stranger")
    assert alice.api.get("/users/me").status_code == 200
    assert_try_later(alice.api.post("/api/v1/attempts/", SOLVED))


@on_postgresql
def test_a_table_that_no_longer_supports_a_statement_is_try_later(alice: Person) -> None:
    execute("CREATE RULE diverted AS ON INSERT TO login_guards DO INSTEAD NOTHING")  # refuses ON CONFLICT
    assert_try_later(Api().post("/auth/login", alice.credentials))


def test_a_database_that_accepts_no_writes_is_try_later(alice: Person) -> None:
    execute("SET TRANSACTION READ ONLY" if connection.vendor == "postgresql" else "PRAGMA query_only = on")
    try:
        assert_try_later(alice.api.post("/api/v1/attempts/", SOLVED))
    finally:
        if connection.vendor == "sqlite":
            execute("PRAGMA query_only = off")


@on_postgresql
def test_a_row_that_the_database_refuses_is_a_bug_of_ours(alice: Person) -> None:
    execute("ALTER TABLE attempts ADD CONSTRAINT never CHECK (false) NOT VALID")
    answer = alice.api.post("/api/v1/attempts/", SOLVED)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
