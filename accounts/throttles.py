"""How often one client may call what costs something or reveals something: the contract's limits per address.

The counts are in Redis where there is one, else in the database; either way one for all workers and replicas. What
guards an account's secrets does not depend on them: see `lockout` and `codes`.
"""

import logging
import time
from datetime import timedelta
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import connection
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import proxies
from accounts.metrics import RATE_LIMITED
from peerprep_users.clients import ip_of
from peerprep_users.errors import Refusal

log = logging.getLogger(__name__)

REDIS_TIMEOUT = 0.25  # seconds
REDIS_PAUSE = 5.0  # seconds without asking a Redis that has just failed


class RateLimited(Refusal):
    status = 429
    code = "rate_limited"
    detail = "Too many of these calls from your address. Try again later."


class Throttle(BaseThrottle):
    """DRF's side of a limit: it tells every answer what is left of it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def allow_request(self, request: Request, view: Any) -> bool:
        proxies.note(request)
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
        refusal = RateLimited(retry_after=spent.seconds)
        refusal.headers |= headers
        raise refusal
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
def client() -> "redis.Redis":
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
        server = client()  # held until the end: of two made at once one is forgotten, which closes its connections
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
