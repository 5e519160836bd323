"""`/metrics`: what the service counts, for Prometheus. Read from the database at each scrape."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from peerprep_users.errors import allow
from peerprep_users.outbox import outboxes


class OutboxCollector(Collector):
    def describe(self) -> list[Metric]:
        return []  # so that registering asks nothing of the database

    def collect(self) -> Iterator[Metric]:
        rows = GaugeMetricFamily("outbox_rows", "Rows of an outbox by their state.", labels=["outbox", "state"])
        age = GaugeMetricFamily(
            "outbox_oldest_undelivered_seconds", "Age of the oldest row that waits to be sent.", labels=["outbox"]
        )
        for name, outbox in outboxes():
            for state, count in outbox.counts().items():
                rows.add_metric([name, state], count)
            age.add_metric([name], outbox.oldest_age())
        yield rows
        yield age


REGISTRY = CollectorRegistry()
REGISTRY.register(OutboxCollector())


@allow("GET", "HEAD")
def metrics(request: HttpRequest) -> HttpResponse:
    """For the inside network only: the gateway does not pass it on."""
    return HttpResponse(generate_latest(REGISTRY), CONTENT_TYPE_PLAIN_0_0_4)
