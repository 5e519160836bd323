"""What `manage.py doctor` checks of the service itself: proxies, rate limits, signing keys, the audit trail."""

from collections.abc import Iterator
from datetime import timedelta

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.utils import timezone
from redis import RedisError

from accounts.models import AuditEntry, AuditHead, SigningKey
from accounts.tokens import keys
from core.publisher import BROKER_ERRORS, broker_fault, connected_channel
from core.rate_limits import hops_seen
from core.redis_counts import redis_client
from core.times import moment
from peerprep_users.doctor.findings import Fault, Finding, Level, fine

FORGOTTEN = timedelta(days=30)
UNCHAINED = timedelta(minutes=5)  # a second or two is usual

UNTRUSTED = Fault(
    "proxy_not_trusted", Level.WARNING, "Set TRUSTED_PROXY_COUNT to the number of proxies in front of the service."
)
TOO_FEW = Fault("proxies_missing", Level.WARNING, "Lower TRUSTED_PROXY_COUNT, or let no call bypass the proxies.")
NO_REDIS = Fault("redis_unset", Level.WARNING, "Set REDIS_URL, if logins and registrations are many.")
REDIS_DOWN = Fault("redis_down", Level.PROBLEM, "Start Redis, or correct REDIS_URL.")
RABBITMQ_DOWN = Fault("rabbitmq_down", Level.PROBLEM, "Start RabbitMQ, or correct RABBITMQ_URL.")
UNLIMITED = Fault("rate_limits_off", Level.WARNING, "Set RATE_LIMIT_ENABLED=true.")
SEALED = Fault(
    "signing_key_sealed", Level.PROBLEM, "Add the SECRET_KEY that it was encrypted with to SECRET_KEY_FALLBACKS."
)
OTHER_ALGORITHM = Fault("signing_key_algorithm", Level.WARNING, "Run `manage.py keys stage`, then `activate`.")
STAGED_LONG = Fault("signing_key_staged", Level.WARNING, "Run `manage.py keys activate KID`, or `retire` it.")
NOT_RETIRED = Fault("signing_key_replaced", Level.WARNING, "Run `manage.py keys retire KID`.")
NOT_CHAINED = Fault("audit_unchained", Level.WARNING, "Make sure that the service or `manage.py work` is running.")
HEAD_MISSING = Fault(
    "audit_head_missing", Level.PROBLEM, "Look up the last head in the logs, then run `manage.py audit restart`."
)


def trusted_proxies() -> Iterator[Finding]:
    count, seen = settings.TRUSTED_PROXY_COUNT, hops_seen()
    if count == 0 and max(seen, default=0) > 0:
        yield UNTRUSTED(f"Calls had X-Forwarded-For with {max(seen)} addresses, and TRUSTED_PROXY_COUNT is 0.")
    elif seen and min(seen) < count:
        yield TOO_FEW(f"Some calls had {min(seen)} addresses in X-Forwarded-For, and TRUSTED_PROXY_COUNT is {count}.")
    else:
        yield fine(f"TRUSTED_PROXY_COUNT is {count}, which matches the calls of the last day.")


def rate_limits() -> Iterator[Finding]:
    if not settings.RATE_LIMIT_ENABLED:
        yield UNLIMITED("Calls are not limited.")
    elif settings.REDIS_URL:
        try:
            redis_client().ping()
            yield fine("Redis counts calls.")
        except RedisError as exc:
            yield REDIS_DOWN(f"Redis does not answer, so the database counts calls: {type(exc).__name__}.")
    elif settings.WORKERS > 1:
        yield NO_REDIS(f"{settings.WORKERS} workers count calls in the database, which costs a statement for each.")
    else:
        yield fine("The database counts calls.")


def rabbitmq() -> Iterator[Finding]:
    if not settings.RABBITMQ_URL:
        yield fine("RABBITMQ_URL is not set, so no events are published.")
        return
    try:
        with connected_channel():
            yield fine("RabbitMQ takes events.")
    except BROKER_ERRORS as exc:
        yield RABBITMQ_DOWN(f"Events wait in the database: {broker_fault(exc)}.")


def signing_keys() -> Iterator[Finding]:
    if keys.is_symmetric():
        yield fine(f"{settings.ALGORITHM} signs with SECRET_KEY.")
        return
    rows = list(SigningKey.objects.in_use())
    faults = [finding for row in rows for finding in faults_of_key(row)]
    yield from faults or [fine(f"{len(rows)} in use." if rows else "The first token will create the first key.")]


def faults_of_key(key: SigningKey) -> Iterator[Finding]:
    long_ago = timezone.now() - FORGOTTEN
    if key.is_active:
        if key.algorithm != settings.ALGORITHM:
            yield OTHER_ALGORITHM(f"{key.kid} signs with {key.algorithm}, and ALGORITHM is {settings.ALGORITHM}.")
        try:
            keys.opened(key)
        except InvalidToken:
            yield SEALED(f"{key.kid} was encrypted with a SECRET_KEY that is not set here, so no one can sign in.")
    elif key.replaced_at is None and key.staged_at < long_ago:
        yield STAGED_LONG(f"{key.kid} was staged on {moment(key.staged_at)}, and never activated.")
    elif key.replaced_at is not None and key.replaced_at < long_ago:
        yield NOT_RETIRED(f"{key.kid} was replaced on {moment(key.replaced_at)}, and still verifies.")


def audit_trail() -> Iterator[Finding]:
    """Whether it is being chained. Verifying the chain takes long, and is left to `manage.py audit verify`."""
    if not AuditHead.objects.exists():
        yield HEAD_MISSING("The head of its chain is missing, so new entries are not chained.")
    first = AuditEntry.objects.filter(position=None).order_by("id").first()
    if first and first.occurred_at < timezone.now() - UNCHAINED:
        yield NOT_CHAINED(f"An entry of {moment(first.occurred_at)} is not chained: deleting it would go unnoticed.")
    else:
        yield fine("New entries are chained within seconds.")
