"""What `manage.py doctor` examines of accounts: proxies, the counts of calls, the keys that sign, the audit trail."""

from collections.abc import Iterator
from datetime import timedelta

import redis
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.utils import timezone

from accounts.models import AuditEntry, AuditHead, SigningKey
from accounts.tokens import keys
from core.rate_limits import hops_seen, redis_client
from peerprep_users.doctor.findings import Finding, fine, problem, warning

FORGOTTEN = timedelta(days=30)
UNCHAINED = timedelta(minutes=5)  # a second or two is usual

UNTRUSTED = warning("proxy_not_trusted", "Set TRUSTED_PROXY_COUNT to the number of proxies before the service.")
TOO_FEW = warning("proxies_missing", "Lower TRUSTED_PROXY_COUNT, or let nobody past the proxies.")
NO_REDIS = warning("redis_unset", "Set REDIS_URL, if logins and registrations are many.")
REDIS_DOWN = problem("redis_down", "Start Redis, or correct REDIS_URL.")
UNLIMITED = warning("rate_limits_off", "Set RATE_LIMIT_ENABLED=true.")
SEALED = problem("signing_key_sealed", "Put the SECRET_KEY that sealed it into SECRET_KEY_FALLBACKS.")
OTHER_ALGORITHM = warning("signing_key_algorithm", "Run `manage.py keys stage`, then `activate`.")
STAGED_LONG = warning("signing_key_staged", "Run `manage.py keys activate KID`, or `retire` it.")
NOT_RETIRED = warning("signing_key_replaced", "Run `manage.py keys retire KID`.")
NOT_CHAINED = warning("audit_unchained", "See that the service or `manage.py work` runs.")
HEADLESS = problem("audit_head_missing", "See the logs for the last head, then run `manage.py audit restart`.")


def trusted_proxies() -> Iterator[Finding]:
    count, seen = settings.TRUSTED_PROXY_COUNT, hops_seen()
    if count == 0 and max(seen, default=0) > 0:
        yield UNTRUSTED(f"Calls had X-Forwarded-For with {max(seen)} addresses, and TRUSTED_PROXY_COUNT is 0.")
    elif seen and min(seen) < count:
        yield TOO_FEW(f"Some calls had {min(seen)} addresses in X-Forwarded-For, and TRUSTED_PROXY_COUNT is {count}.")
    else:
        yield fine(f"TRUSTED_PROXY_COUNT is {count}, which fits the calls of the last day.")


def rate_limits() -> Iterator[Finding]:
    if not settings.RATE_LIMIT_ENABLED:
        yield UNLIMITED("Calls are not counted.")
    elif settings.REDIS_URL:
        yield redis_answers()
    elif settings.WORKERS > 1:
        yield NO_REDIS(f"{settings.WORKERS} workers count calls in the database, which costs a statement for each.")
    else:
        yield fine("The database counts calls.")


def redis_answers() -> Finding:
    try:
        redis_client().ping()
    except redis.RedisError as exc:
        return REDIS_DOWN(f"Redis does not answer, so the database counts calls: {type(exc).__name__}.")
    return fine("Redis counts calls.")


def signing_keys() -> Iterator[Finding]:
    if keys.is_symmetric():
        yield fine(f"{settings.ALGORITHM} signs with SECRET_KEY.")
        return
    rows = list(SigningKey.objects.in_use())
    found = [finding for row in rows for finding in about(row)]
    yield from found or [fine(f"{len(rows)} in use." if rows else "The first token makes the first one.")]


def about(row: SigningKey) -> Iterator[Finding]:
    now = timezone.now()
    if row.is_active:
        if row.algorithm != settings.ALGORITHM:
            yield OTHER_ALGORITHM(f"{row.kid} signs with {row.algorithm}, and ALGORITHM is {settings.ALGORITHM}.")
        try:
            keys.opened(row)
        except InvalidToken:
            yield SEALED(f"{row.kid} was sealed with a SECRET_KEY that is not set here: nobody can sign in.")
    elif row.replaced_at is None and row.staged_at < now - FORGOTTEN:
        yield STAGED_LONG(f"{row.kid} was staged on {row.staged_at:%Y-%m-%d}, and never activated.")
    elif row.replaced_at is not None and row.replaced_at < now - FORGOTTEN:
        yield NOT_RETIRED(f"{row.kid} was replaced on {row.replaced_at:%Y-%m-%d}, and still verifies.")


def audit_trail() -> Iterator[Finding]:
    """Whether somebody chains it. `manage.py audit verify` checks the chain itself, which takes long."""
    if not AuditHead.objects.exists():
        yield HEADLESS("Its head is gone, so nothing says where it ends, and nothing is chained.")
    first = AuditEntry.objects.filter(position=None).order_by("id").first()
    if first and first.occurred_at < timezone.now() - UNCHAINED:
        yield NOT_CHAINED(
            f"An entry of {first.occurred_at:%Y-%m-%d %H:%M} UTC is not chained: its deletion would not show."
        )
    else:
        yield fine("Entries are chained as they come.")
