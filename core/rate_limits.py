"""Rate limits per client address or user, and how many proxies the calls came through.

All processes and replicas share the counts, in Redis where REDIS_URL is set, otherwise in the database. The lockout and
the reset codes have counters of their own.
"""

import logging
import time
from contextlib import suppress
from datetime import timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core.client import ip_of
from core.errors import ApiError
from core.metrics import RATE_LIMITED
from core.models import RateCount

log = logging.getLogger(__name__)


class RateLimited(ApiError):
    status = 429
    code = "rate_limited"
    detail = "Too many requests. Try again later."


class Throttle(BaseThrottle):
    """A limit as DRF knows it. Every response has the RateLimit headers."""

    errors = (RateLimited,)

    def __init__(self, name: str) -> None:
        self.name = name

    def allow_request(self, request: Request, view: Any) -> bool:
        note_hops(request)
        view.headers |= spend(self.name, ip_of(request))
        return True


class Spent(NamedTuple):
    """The calls in the current window, and the seconds until it ends."""

    calls: int
    seconds: float


def spend(name: str, ip: str | None) -> dict[str, str]:
    """Counts a call from `ip` against the limit `name`; see `spend_of`."""
    return spend_of(name, network_of(ip))


def spend_of(name: str, caller: str) -> dict[str, str]:
    """Counts a call of `caller` against the limit `name`.

    Returns:
        The RateLimit headers (draft-ietf-httpapi-ratelimit-headers-07) of the response.

    Raises:
        RateLimited: with the same headers.
    """
    if not settings.RATE_LIMIT_ENABLED:
        return {}
    limit = settings.RATE_LIMITS[name]
    key = f"{name}:{caller}"
    spent = count_in_redis(key, limit.period) or count_in_database(key, limit.period)
    headers = {
        "RateLimit-Limit": str(limit.calls),
        "RateLimit-Remaining": str(max(0, limit.calls - spent.calls)),
        "RateLimit-Reset": str(max(1, round(spent.seconds))),
        "RateLimit-Policy": f"{limit.calls};w={round(limit.period.total_seconds())}",
    }
    if spent.calls > limit.calls:
        RATE_LIMITED.labels(name).inc()
        error = RateLimited(retry_after=spent.seconds)
        error.headers |= headers
        raise error
    return headers


def network_of(ip: str | None) -> str:
    """What counts as one client: an IPv4 address, or the /64 network of an IPv6 one, which one household has."""
    if ip is None:
        return "unknown"
    return ip if isinstance(ip_address(ip), IPv4Address) else str(ip_network(f"{ip}/64", strict=False))


def count_in_redis(name: str, period: timedelta) -> Spent | None:
    """None where Redis is not configured or does not answer."""
    if not settings.REDIS_URL:
        return None
    from core.redis_counts import count  # noqa: PLC0415 - the client library is a sixth of all that a process loads

    return count(name, period)


# One statement, so that no two calls are counted as one.
COUNT_CALL = """
INSERT INTO rate_counts AS old (name, count, until) VALUES (%s, 1, %s)
ON CONFLICT (name) DO UPDATE SET
    count = CASE WHEN old.until <= %s THEN 1 ELSE old.count + 1 END,
    until = CASE WHEN old.until <= %s THEN excluded.until ELSE old.until END
RETURNING count, until
"""


def count_in_database(name: str, period: timedelta) -> Spent:
    now = time.time()
    with connection.cursor() as cursor:
        cursor.execute(COUNT_CALL, [name, now + period.total_seconds(), now, now])
        calls, until = cursor.fetchone()
    return Spent(calls, until - now)


# --- Proxies --------------------------------------------------------------------------------------------------------

HOPS_NOTE_SECONDS = 600.0  # in which a process notes the same number once
HOPS_KEPT = timedelta(days=1)
MAX_HOPS = 20

hops_noted_at: dict[int, float] = {}

BEHIND_PROXY = (  # logged once by each process
    "Calls have X-Forwarded-For, and TRUSTED_PROXY_COUNT is 0: all clients of a proxy count as one, by its address. "
    "If a proxy stands in front of the service, set TRUSTED_PROXY_COUNT to the number of proxies."
)

# In `rate_counts`, since it is a count that expires and is purged like the others.
NOTE_HOPS = """
INSERT INTO rate_counts AS old (name, count, until) VALUES (%s, 1, %s)
ON CONFLICT (name) DO UPDATE SET count = old.count + 1, until = excluded.until
"""


def note_hops(request: HttpRequest | Request) -> None:
    """Notes how many addresses X-Forwarded-For has, so that `manage.py doctor` can check TRUSTED_PROXY_COUNT."""
    header = request.META.get("HTTP_X_FORWARDED_FOR", "")
    hops = min(MAX_HOPS, header.count(",") + 1 if header.strip() else 0)
    now = time.monotonic()
    if now - hops_noted_at.get(hops, float("-inf")) < HOPS_NOTE_SECONDS:
        return
    if hops and not settings.TRUSTED_PROXY_COUNT and not any(hops_noted_at):
        log.warning(BEHIND_PROXY)
    hops_noted_at[hops] = now
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute(NOTE_HOPS, [f"hops:{hops}", time.time() + HOPS_KEPT.total_seconds()])


def hops_seen() -> set[int]:
    """How many addresses X-Forwarded-For had in the last day's calls."""
    rows = RateCount.objects.filter(name__startswith="hops:", until__gt=timezone.now().timestamp())
    return {int(name.removeprefix("hops:")) for name in rows.values_list("name", flat=True)}
