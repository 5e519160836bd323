"""What this process counts, for `/metrics`. Other apps add counters to `REGISTRY` where the thing happens.

Under gunicorn each process counts in files of its own, which `exposition` adds up at a scrape.
"""

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody asks when a series began, and files have no place for it
REGISTRY = CollectorRegistry()

REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY)
DURATIONS = Histogram(
    "http_request_duration_seconds",
    "Time from a request to its answer; of a download, to its end.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
WORKERS = Gauge("workers", "Processes that answer requests.", multiprocess_mode="livesum", registry=REGISTRY)
DATABASE_ERRORS = Counter(
    "database_errors", "Errors of the database that a request or the mail sender met.", ["error"], registry=REGISTRY
)
for _error in ("OperationalError", "InterfaceError"):
    DATABASE_ERRORS.labels(_error)
RATE_LIMITED = Counter("rate_limited_calls", "Calls refused with 429.", ["limit"], registry=REGISTRY)
for _limit in settings.RATE_LIMITS:
    RATE_LIMITED.labels(_limit)
