"""Counts of calls in Redis. A server loads it, and the client library with it, only where REDIS_URL is set."""

import logging
import time
from datetime import timedelta
from functools import cache

from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.rate_limits import Spent

log = logging.getLogger(__name__)

REDIS_TIMEOUT = 0.25  # seconds
REDIS_RETRY_AFTER = 5.0  # seconds without Redis after an error


class RedisOutage:
    """`until` when (monotonic clock) Redis is left alone after an error."""

    until = 0.0


@cache
def redis_client() -> Redis:
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_TIMEOUT,
        socket_connect_timeout=REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def count(name: str, period: timedelta) -> Spent | None:
    """None where Redis does not answer."""
    if time.monotonic() < RedisOutage.until:
        return None
    key = f"rate:{name}"
    milliseconds = round(period.total_seconds() * 1000)
    try:
        # Referenced until the end: of two clients made at once one is dropped, which closes its connections.
        server = redis_client()
        with server.pipeline(transaction=True) as pipe:
            pipe.incr(key)
            pipe.pexpire(key, milliseconds, nx=True)
            pipe.pttl(key)
            calls, _, left = pipe.execute()
    except RedisError as exc:
        RedisOutage.until = time.monotonic() + REDIS_RETRY_AFTER
        log.warning("Redis does not answer, so the database counts calls: %s", exc)
        return None
    return Spent(calls, left / 1000)
