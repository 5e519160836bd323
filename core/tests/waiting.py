"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable

PATIENCE = 120.0  # seconds; only a test that fails waits for so long, so a busy machine fails none


def wait_until(condition: Callable[[], object], what: str = "it does not happen") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
