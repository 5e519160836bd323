"""Background jobs: work that no request waits for, repeated at intervals."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from django.db import Error, close_old_connections, connection

from core.metrics import DATABASE_ERRORS

log = logging.getLogger(__name__)

new_work = threading.Event()  # set by whatever should not wait for the next interval


class Job(NamedTuple):
    """
    Args:
        name: what it does, for the log.
        seconds: between two runs.
        run: does what there is to do, until the event is set. Returns True where there is more: it is run again as soon
            as the other jobs have had their turn.
        at_once: runs also when `new_work` is set.
    """

    name: str
    seconds: float
    run: Callable[[threading.Event], object]
    at_once: bool = False


class Worker(threading.Thread):
    """Runs the jobs one after the other until it is stopped. Several workers, also on other hosts, share the work."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        super().__init__(name="worker", daemon=True)
        self.jobs = jobs
        self.due = {job.name: time.monotonic() + min(job.seconds, 5.0) for job in jobs}  # after the start has settled
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            woken = new_work.is_set()
            new_work.clear()
            for job in self.jobs:
                if time.monotonic() >= self.due[job.name] or (woken and job.at_once):
                    more = self.attempt(job)
                    self.due[job.name] = time.monotonic() + (0.0 if more is True else job.seconds)
            close_old_connections()
            new_work.wait(max(0.0, min(self.due.values()) - time.monotonic()))
        connection.close()

    def attempt(self, job: Job) -> object:
        """Runs a job. A database error does not keep the other jobs from running."""
        try:
            return job.run(self.stopping)
        except Error as exc:
            log.error("Could not %s: %s", job.name, exc)  # noqa: TRY400 - the next run may succeed
            DATABASE_ERRORS.labels(type(exc).__name__).inc()
            return False

    def tell_to_stop(self) -> None:
        self.stopping.set()
        new_work.set()

    def stop(self, timeout: float) -> None:
        """Lets the job under way finish, for up to `timeout` seconds."""
        self.tell_to_stop()
        self.join(timeout)
