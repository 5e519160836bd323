"""The background worker, as a thread."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError

from core.jobs import Job, Turn, Worker, new_work
from core.metrics import DATABASE_ERRORS
from core.tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow  # threads that wait

HOUR = 3600.0


class Runs:
    """A job that notes its name each time it runs, and then may fail."""

    def __init__(self, name: str, log: list[str], error: Exception | None = None) -> None:
        self.name, self.log, self.error = name, log, error

    def __call__(self, turn: Turn) -> None:
        self.log.append(self.name)
        if self.error:
            raise self.error


@pytest.fixture(autouse=True)
def _no_work_left_by_other_tests() -> None:
    new_work.clear()


@contextmanager
def working(*jobs: Job) -> Iterator[Worker]:
    worker = Worker(jobs, spread=0)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(PATIENCE)
        assert not worker.is_alive()


def test_it_runs_each_job_again_and_again() -> None:
    log: list[str] = []
    with working(Job("mow", 0.01, Runs("mow", log)), Job("rake", 0.02, Runs("rake", log))):
        wait_until(lambda: log.count("mow") >= 5 and log.count("rake") >= 5)


def test_new_work_starts_only_the_jobs_that_are_to_run_at_once() -> None:
    log: list[str] = []
    with working(Job("rake", HOUR, Runs("rake", log)), Job("mow", HOUR, Runs("mow", log), at_once=True)):
        wait_until(lambda: log == ["rake", "mow"])
        new_work.set()
        wait_until(lambda: len(log) == 3)
    assert log == ["rake", "mow", "mow"]


@pytest.mark.parametrize("error", [OperationalError("the server is away"), ZeroDivisionError("a mistake")])
def test_a_job_that_fails_waits_for_its_interval_and_keeps_no_other_from_running(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    with working(Job("mow", HOUR, Runs("mow", log, error)), Job("rake", 0.01, Runs("rake", log))):
        wait_until(lambda: log.count("rake") >= 20)
    assert log[0] == "mow" and log.count("mow") == 1
    (record,) = [record for record in caplog.records if record.name == "core.jobs"]
    assert record.getMessage().startswith("Could not mow")


def test_only_a_mistake_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    counter = DATABASE_ERRORS.labels("OperationalError")._value
    before, log = counter.get(), list[str]()
    with working(
        Job("mow", HOUR, Runs("mow", log, OperationalError("the server is away"))),
        Job("rake", HOUR, Runs("rake", log, ZeroDivisionError("a mistake"))),
    ):
        wait_until(lambda: len(log) == 2)
    records = {record.getMessage(): record for record in caplog.records if record.name == "core.jobs"}
    assert set(records) == {"Could not mow: the server is away", "Could not rake"}
    away, mistake = records["Could not mow: the server is away"], records["Could not rake"]
    assert (away.levelno, away.exc_info) == (logging.WARNING, None)
    assert mistake.levelno == logging.ERROR and mistake.exc_info
    assert counter.get() == before + 1


def test_a_job_with_more_to_do_is_run_again_after_the_others() -> None:
    log: list[str] = []

    def dig(turn: Turn) -> None:
        log.append("dig")
        while not turn.is_over:
            threading.Event().wait(0.01)

    with working(Job("dig", HOUR, dig), Job("rake", 0.01, Runs("rake", log))):
        wait_until(lambda: log.count("dig") >= 3)
    first, second, third = [index for index, name in enumerate(log) if name == "dig"][:3]
    assert second - first >= 2 and third - second >= 2


def test_it_stops_at_the_end_of_the_turn_under_way() -> None:
    begun, log = threading.Event(), list[str]()

    def dig(turn: Turn) -> None:
        begun.set()
        while not turn.is_over:
            threading.Event().wait(0.01)
        log.append("finished")

    with working(Job("dig", HOUR, dig), Job("rake", HOUR, Runs("rake", log))) as worker:
        assert begun.wait(PATIENCE)
        worker.stop(PATIENCE)
    assert log[0] == "finished"


def test_its_stop_waits_no_longer_than_it_is_told_to() -> None:
    begun, release = threading.Event(), threading.Event()

    def hang(turn: Turn) -> None:
        begun.set()
        release.wait(PATIENCE)

    with working(Job("hang", HOUR, hang)) as worker:
        assert begun.wait(PATIENCE)
        worker.stop(0.05)
        assert worker.is_alive()
        release.set()
