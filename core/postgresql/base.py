"""Django's PostgreSQL backend, with a health check that costs busy connections nothing."""

import time
from typing import Any

from django.db.backends.postgresql import base

IDLE_SECONDS = 1.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Checks a persistent connection only if it was idle for a second or more.

    `CONN_HEALTH_CHECKS` costs a round trip per request. A connection that was used within the last second is taken to
    work. If it broke in that second, the request is answered with 503 and the next one is checked.
    """

    _last_used = 0.0

    def close_if_health_check_failed(self) -> None:
        if self.connection is not None and time.monotonic() - self._last_used < IDLE_SECONDS:
            self.health_check_done = True
            return
        super().close_if_health_check_failed()

    def create_cursor(self, name: str | None = None) -> Any:
        self._last_used = time.monotonic()
        return super().create_cursor(name)
