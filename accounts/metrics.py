"""What is counted about accounts, for `/metrics`."""

from collections.abc import Iterator

from django.conf import settings
from django.db import connection
from django.utils import timezone
from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, Metric

from accounts.models import Session
from core.metrics import REGISTRY

LOGINS = Counter("logins", "Logins, in the admin site too, by how they ended.", ["outcome"], registry=REGISTRY)
REFRESHES = Counter("refreshes", "Refreshes of tokens by how they ended.", ["outcome"], registry=REGISTRY)
REGISTRATIONS = Counter("registrations", "Registrations by how they ended.", ["outcome"], registry=REGISTRY)
LOCKS = Counter("account_locks", "Accounts locked after wrong passwords.", registry=REGISTRY)

SAMPLE = 1000  # pages of 8 KiB, some 40,000 sessions

PAGES = "SELECT pg_relation_size('sessions') / current_setting('block_size')::int"
LIVE_IN_SAMPLE = """
SELECT count(*) FROM sessions TABLESAMPLE SYSTEM (%s)
WHERE ended_at IS NULL AND expires_at > %s AND rotated_at > %s
"""


def session_gauges() -> Iterator[Metric]:
    yield GaugeMetricFamily("live_sessions", "Sessions that authenticate or can be refreshed.", live_sessions())


def live_sessions() -> int:
    """How many live. On PostgreSQL a sample tells of a large table, so that a scrape costs the same for any."""
    if connection.vendor != "postgresql":
        return Session.objects.live().count()
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(PAGES)
        share: float = min(1.0, SAMPLE / max(1, cursor.fetchone()[0]))
        cursor.execute(LIVE_IN_SAMPLE, [share * 100, now, now - settings.REFRESH_TTL])
        found: int = cursor.fetchone()[0]
    return round(found / share)
