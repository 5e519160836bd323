"""What this process counts, for `/metrics`. The apps add counters of their own to `REGISTRY`.

Under gunicorn each process counts in files of its own, which a scrape adds up.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from core.errors import ApiError

P = ParamSpec("P")
R = TypeVar("R")

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series, and multiprocess files have none
REGISTRY = CollectorRegistry()

REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY)
DURATIONS = Histogram(
    "http_request_duration_seconds",
    "Time from a request to its answer; of a download, to its end.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
WORKER_COUNT = Gauge("workers", "Processes that answer requests.", multiprocess_mode="livesum", registry=REGISTRY)
DATABASE_ERRORS = Counter(
    "database_errors", "Database errors met by requests and background jobs.", ["error"], registry=REGISTRY
)
for _error in ("OperationalError", "InterfaceError", "InternalError"):
    DATABASE_ERRORS.labels(_error)
RATE_LIMITED = Counter("rate_limited_calls", "Calls refused with 429.", ["limit"], registry=REGISTRY)
for _limit in settings.RATE_LIMITS:
    RATE_LIMITED.labels(_limit)


def count_outcomes(counter: Counter, *errors: type[ApiError]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that counts calls by `outcome`: succeeded, the code of an ApiError, or failed for other exceptions.

    Args:
        errors: shown as 0 before the first one, since a rate needs two samples of a series.
    """
    for outcome in ("succeeded", "failed", *(error.code for error in errors)):
        counter.labels(outcome)

    def decorate(flow: Callable[P, R]) -> Callable[P, R]:
        @wraps(flow)
        def measured(*args: P.args, **kwargs: P.kwargs) -> R:
            outcome = "failed"
            try:
                result = flow(*args, **kwargs)
                outcome = "succeeded"
            except ApiError as error:
                outcome = error.code
                raise
            finally:
                counter.labels(outcome).inc()
            return result

        return measured

    return decorate
