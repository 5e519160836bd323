"""What is counted about accounts, for `/metrics`."""

from collections.abc import Iterator

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, Metric

from accounts.models import Session
from core.estimates import count_or_estimate
from core.metrics import REGISTRY

LOGINS = Counter("logins", "Logins, in the admin site too, by how they ended.", ["outcome"], registry=REGISTRY)
REFRESHES = Counter("refreshes", "Refreshes of tokens by how they ended.", ["outcome"], registry=REGISTRY)
REPLAYS_ELSEWHERE = Counter(
    "refresh_tokens_replayed_elsewhere",
    "Refresh tokens replayed within the grace by another device or address than the one that rotated them.",
    registry=REGISTRY,
)
RESET_CODES_REFUSED = Counter("reset_codes_refused", "Reset codes that were refused.", registry=REGISTRY)
REGISTRATIONS = Counter("registrations", "Registrations by how they ended.", ["outcome"], registry=REGISTRY)
CONFIRMATIONS = Counter(
    "confirmations", "Users' confirmations of their own password by how they ended.", ["outcome"], registry=REGISTRY
)
LOCKS = Counter("account_locks", "Accounts locked after wrong passwords.", registry=REGISTRY)
MAILS_WITHHELD = Counter("mails_withheld", "Mails that their address got no more of.", ["bound"], registry=REGISTRY)


def session_gauges() -> Iterator[Metric]:
    live = count_or_estimate(Session.objects.live()).value
    yield GaugeMetricFamily("live_sessions", "Sessions that authenticate or can be refreshed.", live)
