"""One thing at a time for one name, over all processes and hosts, without a transaction that stays open."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from django.utils import timezone

from accounts.models import Lease
from core.concurrency import request_slots
from core.errors import ApiError

LENGTH = timedelta(seconds=30)
PAUSE = 0.02


class Busy(ApiError):
    status = 503
    code = "busy"
    detail = "Too many of these calls at once for this account. Try again in a moment."


@contextmanager
def lease(name: str, *, wait: float) -> Iterator[None]:
    """Holds the lease `name` within the block.

    Args:
        wait: how many seconds to wait for it at most.

    Raises:
        Busy: somebody else held it all that time.
    """
    holder = uuid4()
    deadline = time.monotonic() + wait
    while not acquired(name, holder):
        if time.monotonic() >= deadline:
            raise Busy(retry_after=1)
        with request_slots.yielded():
            time.sleep(PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 - to spread the tries
    try:
        yield
    finally:
        Lease.objects.filter(name=name, holder=holder).delete()


def acquired(name: str, holder: UUID) -> bool:
    now = timezone.now()
    held = Lease.objects.filter(name=name).first()
    if held is not None and held.until > now:
        return False
    if held is not None:
        Lease.objects.filter(name=name, holder=held.holder).delete()
    Lease.objects.bulk_create([Lease(name=name, holder=holder, until=now + LENGTH)], ignore_conflicts=True)
    return Lease.objects.filter(name=name, holder=holder).exists()
