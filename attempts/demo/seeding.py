"""Filling a database with made-up users and attempts."""

# ruff: noqa: S608, SLF001 - the statement is put together from what is in this file, and `_meta` is public

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.models import User
from attempts import counting, ranks, recounting
from attempts.demo import rows
from attempts.flows.counters import patience
from attempts.models import Attempt

BATCH = 5_000
COLUMNS = ", ".join(rows.Row._fields)
FIELDS = {field.column: field for field in Attempt._meta.concrete_fields}


def seed(*, users: int, attempts: int, progress: Callable[[int], object], say: Callable[[str], object]) -> None:
    """Adds so many users, nobody of whom can sign in, and attempts of theirs within the last year; all or nothing."""
    with patience():
        with transaction.atomic():
            ids = add_users(users)
            with without_indexes():
                add_attempts(rows.attempts(ids, attempts, now=timezone.now(), seed=attempts), progress)
            say("counting")
            count_attempts(ids)
        say("tidying up: what an index alone answers needs a vacuumed table")
        vacuum = connection.vendor == "postgresql" and not connection.in_atomic_block
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE" if vacuum else "ANALYZE")


def add_users(count: int) -> list[UUID]:
    """The new users' ids, ascending, with no other user's between the first and the last."""
    ids = [uuid7() for _ in range(count)]
    password, run, now = make_password(None), ids[0].hex[:12], timezone.now()
    made = (
        User(
            id=user_id,
            email=f"demo-{run}-{number}@example.com",
            name=f"Demo {number}",
            password=password,
            is_verified=True,
            created_at=now - rows.YEAR + rows.YEAR * number / (count + 1),
        )
        for number, user_id in enumerate(ids, 1)
    )
    User.objects.bulk_create(made, batch_size=BATCH)
    return ids


@contextmanager
def without_indexes() -> Iterator[None]:
    """Makes the indexes of an empty table only when it is full, which is several times faster."""
    if connection.vendor != "postgresql" or Attempt.objects.exists():
        yield
        return
    indexes = Attempt._meta.indexes
    with connection.schema_editor(atomic=False) as editor:
        for index in indexes:
            editor.remove_index(Attempt, index)
        yield
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # PostgreSQL indexes no table with foreign keys still to check
        for index in indexes:
            editor.add_index(Attempt, index)


def add_attempts(rows: Iterable[rows.Row], progress: Callable[[int], object]) -> None:
    """By way of a table beside it, since nobody's rank is known before all are there."""
    write = copy_attempts if connection.vendor == "postgresql" else insert_attempts
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE made AS SELECT {COLUMNS} FROM attempts WHERE false")
        write(batches(rows, progress))
        cursor.execute(
            f"INSERT INTO attempts ({COLUMNS}, {ranks.COLUMNS}) SELECT {COLUMNS}, {ranks.RANKED} FROM made ORDER BY id"
        )
        cursor.execute("DROP TABLE made")


def batches(rows: Iterable[rows.Row], progress: Callable[[int], object]) -> Iterator[list[rows.Row]]:
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        yield batch
        progress(len(batch))


def copy_attempts(written: Iterable[list[rows.Row]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '256MB'; SET LOCAL maintenance_work_mem = '512MB'")
        with cursor.copy(f"COPY made ({COLUMNS}) FROM STDIN") as copy:
            for batch in written:
                for row in batch:
                    copy.write_row(row)


def insert_attempts(written: Iterable[list[rows.Row]]) -> None:
    fields: list[Any] = [FIELDS[name] for name in rows.Row._fields]
    places = ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        for batch in written:
            cursor.executemany(
                f"INSERT INTO made ({COLUMNS}) VALUES ({places})",
                [[counting.prepared(field, value) for field, value in zip(fields, row, strict=True)] for row in batch],
            )


def count_attempts(users: list[UUID]) -> None:
    values = {"first": counting.prepared(User._meta.pk, users[0]), "last": counting.prepared(User._meta.pk, users[-1])}
    for model in recounting.RECOUNTS:
        recounting.store_recount(model, "user_id BETWEEN %(first)s AND %(last)s", values)
