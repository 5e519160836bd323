"""Whether TRUSTED_PROXY_COUNT fits the calls that come: how many addresses their X-Forwarded-For has is noted."""

import time
from contextlib import suppress
from datetime import timedelta

from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request

from accounts.models import RateCount

PAUSE = 600.0  # seconds in which a process notes the same number once
KEPT = timedelta(days=1)
MOST = 20

noted: dict[int, float] = {}

# A row of the counts of calls: it is one, with an end. It costs no table, and goes with the others.
NOTE = """
INSERT INTO rate_counts AS old (name, count, until) VALUES (%s, 1, %s)
ON CONFLICT (name) DO UPDATE SET count = old.count + 1, until = excluded.until
"""


def note(request: HttpRequest | Request) -> None:
    """Notes the number of hops. Called where the address of the client matters, so not on every request."""
    header = request.META.get("HTTP_X_FORWARDED_FOR", "")
    hops = min(MOST, header.count(",") + 1 if header.strip() else 0)
    now = time.monotonic()
    if now - noted.get(hops, float("-inf")) < PAUSE:
        return
    noted[hops] = now
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute(NOTE, [f"hops:{hops}", time.time() + KEPT.total_seconds()])


def seen() -> set[int]:
    """The numbers of hops that calls of the last day had."""
    rows = RateCount.objects.filter(name__startswith="hops:", until__gt=timezone.now().timestamp())
    return {int(name.removeprefix("hops:")) for name in rows.values_list("name", flat=True)}
