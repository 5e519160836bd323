"""Rate limits per client address, and how many proxies the calls came through.

Counts live in Redis where REDIS_URL is set, otherwise in the database, shared by all workers and replicas. The lockout
and the reset codes have counters of their own and do not depend on these.
"""

import logging
import time
from contextlib import suppress
from datetime import timedelta
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core.client import ip_of
from core.errors import ApiError
from core.metrics import RATE_LIMITED
from core.models import RateCount

log = logging.getLogger(__name__)

REDIS_TIMEOUT = 0.25  # seconds
REDIS_PAUSE = 5.0  # seconds without asking a Redis that has just failed


class RateLimited(ApiError):
    status = 429
    code = "rate_limited"
    detail = "Too many of these calls from your address. Try again later."


class Throttle(BaseThrottle):
    """DRF's side of a limit: it tells every answer what is left of it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def allow_request(self, request: Request, view: Any) -> bool:
        note_hops(request)
        view.headers |= spend(self.name, ip_of(request))
        return True


class Spent(NamedTuple):
    """How many calls a window has had, and how many seconds are left of it."""

    calls: int
    seconds: float


def spend(name: str, ip: str | None) -> dict[str, str]:
    """Counts a call against the limit `name`, for the client at `ip`.

    Returns:
        The RateLimit headers (draft-ietf-httpapi-ratelimit-headers-07) of its answer.

    Raises:
        RateLimited: with the same headers.
    """
    if not settings.RATE_LIMIT_ENABLED:
        return {}
    limit = settings.RATE_LIMITS[name]
    spent = count(f"{name}:{network_of(ip)}", limit.period)
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
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one, which is what a household is given."""
    if ip is None:
        return "unknown"
    return ip if ip_address(ip).version == 4 else str(ip_network(f"{ip}/64", strict=False))  # noqa: PLR2004


def count(name: str, period: timedelta) -> Spent:
    return in_redis(name, period) or in_database(name, period)


class Outage:
    """When Redis was last found to be down."""

    until = 0.0


@cache
def redis_client() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_TIMEOUT,
        socket_connect_timeout=REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def in_redis(name: str, period: timedelta) -> Spent | None:
    """Counts in Redis; None where there is none, or it does not answer."""
    if not settings.REDIS_URL or time.monotonic() < Outage.until:
        return None
    key = f"rate:{name}"
    milliseconds = round(period.total_seconds() * 1000)
    try:
        server = redis_client()  # held until the end: one of two made at once is dropped, which closes its connections
        with server.pipeline(transaction=True) as pipe:
            pipe.incr(key)
            pipe.pexpire(key, milliseconds, nx=True)
            pipe.pttl(key)
            calls, _, left = pipe.execute()
    except redis.RedisError as exc:
        Outage.until = time.monotonic() + REDIS_PAUSE
        log.error("Redis does not answer, so the database counts calls: %s", exc)  # noqa: TRY400
        return None
    return Spent(calls, left / 1000)


# One statement, so that no two calls are counted as one.
COUNT = """
INSERT INTO rate_counts AS old (name, count, until) VALUES (%s, 1, %s)
ON CONFLICT (name) DO UPDATE SET
    count = CASE WHEN old.until <= %s THEN 1 ELSE old.count + 1 END,
    until = CASE WHEN old.until <= %s THEN excluded.until ELSE old.until END
RETURNING count, until
"""


def in_database(name: str, period: timedelta) -> Spent:
    now = time.time()
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [name, now + period.total_seconds(), now, now])
        calls, until = cursor.fetchone()
    return Spent(calls, until - now)


# --- Proxies --------------------------------------------------------------------------------------------------------

HOPS_NOTE_PAUSE = 600.0  # seconds in which a process notes the same number once
HOPS_KEPT = timedelta(days=1)
MAX_HOPS = 20

hops_noted_at: dict[int, float] = {}

# A row of `rate_counts`: it is a count with an end, and is purged with the others.
NOTE_HOPS = """
INSERT INTO rate_counts AS old (name, count, until) VALUES (%s, 1, %s)
ON CONFLICT (name) DO UPDATE SET count = old.count + 1, until = excluded.until
"""


def note_hops(request: HttpRequest | Request) -> None:
    """Notes how many addresses X-Forwarded-For has, for `manage.py doctor` to compare with TRUSTED_PROXY_COUNT.

    Called where the client's address matters, so not on every request.
    """
    header = request.META.get("HTTP_X_FORWARDED_FOR", "")
    hops = min(MAX_HOPS, header.count(",") + 1 if header.strip() else 0)
    now = time.monotonic()
    if now - hops_noted_at.get(hops, float("-inf")) < HOPS_NOTE_PAUSE:
        return
    hops_noted_at[hops] = now
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute(NOTE_HOPS, [f"hops:{hops}", time.time() + HOPS_KEPT.total_seconds()])


def hops_seen() -> set[int]:
    """The numbers of addresses in X-Forwarded-For that calls of the last day had."""
    rows = RateCount.objects.filter(name__startswith="hops:", until__gt=timezone.now().timestamp())
    return {int(name.removeprefix("hops:")) for name in rows.values_list("name", flat=True)}
