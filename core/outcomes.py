"""Counting how the calls of a flow end."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from prometheus_client import Counter

from core.errors import ApiError

P = ParamSpec("P")
T = TypeVar("T")

SUCCEEDED, FAILED = "succeeded", "failed"


def count_outcomes(counter: Counter, *errors: type[ApiError]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator that counts by `outcome`: succeeded, the code of an ApiError, or failed where it was a fault.

    Args:
        errors: those to show as 0 before there is one, since a rate begins with the second sample of a series.
    """
    for outcome in (SUCCEEDED, FAILED, *(error.code for error in errors)):
        counter.labels(outcome)

    def decorate(flow: Callable[P, T]) -> Callable[P, T]:
        @wraps(flow)
        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            outcome = FAILED
            try:
                result = flow(*args, **kwargs)
                outcome = SUCCEEDED
            except ApiError as error:
                outcome = error.code
                raise
            finally:
                counter.labels(outcome).inc()
            return result

        return measured

    return decorate
