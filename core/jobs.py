"""Background jobs: work that no request waits for, repeated at intervals by one thread."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from math import inf
from random import SystemRandom
from typing import NamedTuple

from django.db import Error, close_old_connections, connection

from core.errors import first_line
from core.metrics import DATABASE_ERRORS

log = logging.getLogger(__name__)

TURN_SECONDS = 1.0

new_work = threading.Event()  # wakes this process's worker for the jobs that run `at_once`


class Turn:
    """How long a job may go on: for a moment, so that the other jobs run too, and less where the worker is to stop."""

    def __init__(self, seconds: float = inf, stopping: threading.Event | None = None) -> None:
        self.ends = time.monotonic() + seconds
        self.stopping = stopping

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.ends or (self.stopping is not None and self.stopping.is_set())


class Job(NamedTuple):
    """
    Args:
        name: what it does, for the log.
        seconds: between two runs.
        run: does what there is to do until its turn is over; then it is run again after the other jobs.
        at_once: also runs when `new_work` is set.
    """

    name: str
    seconds: float
    run: Callable[[Turn], object]
    at_once: bool = False


class Worker(threading.Thread):
    """Runs the jobs in turn until it is stopped. Several workers, on any number of hosts, share the work.

    Args:
        spread: each job first runs at a random moment within its interval, but within so many seconds, so that
            processes that start together do not do the same at the same time.
    """

    def __init__(self, jobs: Sequence[Job], *, spread: float = 60.0) -> None:
        super().__init__(name="worker", daemon=True)
        self.jobs = jobs
        first = SystemRandom().uniform
        self.due = {job.name: time.monotonic() + first(0, min(job.seconds, spread)) for job in jobs}
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            woken = new_work.is_set()
            new_work.clear()
            for job in self.jobs:
                if time.monotonic() >= self.due[job.name] or (woken and job.at_once):
                    self.run_job(job)
                    close_old_connections()  # what one job has found broken must not fail the next
            new_work.wait(max(0.0, min(self.due.values()) - time.monotonic()))
        connection.close()

    def run_job(self, job: Job) -> None:
        """Gives a job its turn. A job that fails is run again after its interval, and the other jobs go on."""
        turn = Turn(TURN_SECONDS, self.stopping)
        pause = job.seconds
        try:
            job.run(turn)
            pause = 0.0 if turn.is_over else job.seconds
        except Error as exc:
            DATABASE_ERRORS.labels(type(exc).__name__).inc()
            log.warning("Could not %s: %s", job.name, first_line(exc))
        except Exception:
            log.exception("Could not %s", job.name)
        self.due[job.name] = time.monotonic() + pause

    def request_stop(self) -> None:
        self.stopping.set()
        new_work.set()

    def stop(self, timeout: float) -> None:
        """Lets the job under way end its turn, for up to `timeout` seconds."""
        self.request_stop()
        self.join(timeout)
