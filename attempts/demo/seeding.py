"""Filling a database with made-up users and attempts."""

from collections.abc import Callable
from itertools import islice
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.models import User
from attempts.demo.rows import YEAR, made_up_attempts
from attempts.flows.stats import count_statuses
from attempts.models import Attempt

ROWS_AT_ONCE = 2_000


def seed(*, users: int, attempts: int, progress: Callable[[int], object]) -> None:
    """Adds so many users, none of whom can sign in, and attempts of theirs within the last year; all or nothing."""
    now = timezone.now()
    with transaction.atomic():
        ids = add_users(users)
        made = made_up_attempts(ids, attempts, now=now, seed=attempts)
        while rows := list(islice(made, ROWS_AT_ONCE)):
            Attempt.objects.bulk_create(rows)
            progress(len(rows))
        count_statuses(ids[0], ids[-1])
    # What an index alone answers needs a vacuumed table.
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
            created_at=now - YEAR + YEAR * (number - 1) / count,
        )
        for number, user_id in enumerate(ids, 1)
    )
    User.objects.bulk_create(made, batch_size=ROWS_AT_ONCE)
    return ids
