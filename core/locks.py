"""One transaction at a time for one name."""

from django.db import connection


def lock_for_transaction(name: str) -> None:
    """Waits until no other transaction holds the lock `name`, and holds it until this one ends.

    SQLite's transactions, which are IMMEDIATE, follow each other anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
