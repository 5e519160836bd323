"""RabbitMQ, the service and the database fail under load: each event arrives, in order."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.tests.rabbitmq import Listener
from tests.faults.load import Load
from tests.faults.neighbours import PostgreSQL, RabbitMQ
from tests.faults.service import WORKERS, Service, serving
from tests.faults.test_processes import kill_workers
from tests.faults.told import Told, write_backlog

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def again(server: RabbitMQ, number: signal.Signals) -> None:
    server.end(number)
    time.sleep(1)
    server.start()


def crash(server: PostgreSQL) -> None:
    with server.stopped("immediate"):
        time.sleep(1)


def kill_all(service: Service) -> None:
    for _ in range(5):
        kill_workers(service, WORKERS)
        time.sleep(1)


# With how often a publisher may die in them.
FAULTS: dict[str, tuple[int, Callable[[RabbitMQ, PostgreSQL, Service], None]]] = {
    "RabbitMQ restarted": (1, lambda rabbitmq, *_: again(rabbitmq, signal.SIGTERM)),
    "RabbitMQ killed": (1, lambda rabbitmq, *_: again(rabbitmq, signal.SIGKILL)),
    "publishers killed": (5, lambda *found: kill_all(found[2])),
    "database crashed": (1, lambda *found: crash(found[1])),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_event_is_lost_or_out_of_order(
    rabbitmq: RabbitMQ,
    postgresql: PostgreSQL,
    tmp_path: Path,
    verify: Callable[..., None],
    fault: str,
) -> None:
    with (
        postgresql.database() as database,
        serving(tmp_path / "log", database, RABBITMQ_URL=rabbitmq.url) as service,
    ):
        Listener(rabbitmq.url, queue=fault).connection.close()
        deaths, happen = FAULTS[fault]
        with Load(service, database) as load:
            time.sleep(2)
            backlog = write_backlog(database)
            with load.fault():
                happen(rabbitmq, postgresql, service)
            time.sleep(5)
        with Listener(rabbitmq.url, queue=fault) as listener:
            told = Told(database, listener, backlog, left=load.left, deaths=deaths)
            listener.channel.queue_delete(fault)
        verify(load, told, cuts=True, slow=True)
