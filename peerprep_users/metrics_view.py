"""`/metrics`: Prometheus text on all processes of this instance, and on what is in the database."""

import logging
import os
import platform
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from accounts.metrics import session_gauges
from core.errors import allow
from core.metrics import REGISTRY
from peerprep_users.health import internal, outboxes

log = logging.getLogger(__name__)

STARTED = time.time()  # of the master process: this is loaded before it forks


def outbox_gauges() -> Iterator[Metric]:
    rows = GaugeMetricFamily(
        "outbox_rows", "Rows of an outbox by state; sent and dropped ones of the last hour.", labels=["outbox", "state"]
    )
    age = GaugeMetricFamily("outbox_oldest_undelivered_seconds", "Age of the oldest queued row.", labels=["outbox"])
    for name, outbox in outboxes().items():
        for state, count in outbox.counts().items():
            rows.add_metric([name, state], count)
        age.add_metric([name], outbox.oldest_age())
    yield rows
    yield age


class StateCollector(Collector):
    """The state at the moment of the scrape. Without the database, only that it is down."""

    def describe(self) -> list[Metric]:
        return []  # so that registering does not query the database

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "build",
            "What runs.",
            {"version": str(settings.SPECTACULAR_SETTINGS["VERSION"]), "python": platform.python_version()},
        )
        yield GaugeMetricFamily("start_time_seconds", "When the service was started, in Unix time.", STARTED)
        yield GaugeMetricFamily("workers_configured", "Processes that should answer requests.", settings.WORKERS)
        try:
            found = [*outbox_gauges(), *session_gauges()]
        except Error as exc:
            log.warning("The database did not answer a scrape: %s", exc)
            found = []
        yield GaugeMetricFamily("database_up", "Whether the database answered this scrape.", int(bool(found)))
        yield from found


STATE = CollectorRegistry()
STATE.register(StateCollector())


def counts() -> CollectorRegistry:
    """What all processes have counted; without gunicorn, this one alone."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return registry


@internal
@allow("GET", "HEAD")
def metrics(request: HttpRequest) -> HttpResponse:
    return HttpResponse(generate_latest(counts()) + generate_latest(STATE), CONTENT_TYPE_PLAIN_0_0_4)
