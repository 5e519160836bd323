"""RabbitMQ, the service and the database fail under load: each event arrives, in order."""

import logging
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from core.tests.rabbitmq import Listener
from core.tests.waiting import wait_until
from tests.faults.load import Load
from tests.faults.neighbours import PostgreSQL, RabbitMQ
from tests.faults.service import WORKERS, Service, serving
from tests.faults.test_processes import kill_workers

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.faults]


# So that publishers are in the middle of it when the fault comes.
BACKLOG = """
INSERT INTO events (id, type, user_id, data, created_at)
SELECT gen_random_uuid(), 'user.verified', gen_random_uuid(), '{}', now() FROM generate_series(1, 5000)
RETURNING id
"""


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


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


FAULTS: dict[str, Callable[[RabbitMQ, PostgreSQL, Service], None]] = {
    "RabbitMQ restarted": lambda rabbitmq, *_: again(rabbitmq, signal.SIGTERM),
    "RabbitMQ killed": lambda rabbitmq, *_: again(rabbitmq, signal.SIGKILL),
    "publishers killed": lambda *found: kill_all(found[2]),
    "database crashed": lambda *found: crash(found[1]),
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
        with Load(service, database) as load:
            with psycopg.connect(database) as connection:
                backlog = [str(id_) for (id_,) in connection.execute(BACKLOG).fetchall()]
            time.sleep(2)
            with load.fault():
                FAULTS[fault](rabbitmq, postgresql, service)
            time.sleep(5)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE events SET claimed_until = NULL")  # half a minute later
            left = "SELECT FROM events"
            wait_until(lambda: not connection.execute(left).rowcount, "not all of it is published")
            stored = connection.execute("SELECT user_id, question_id, id FROM attempts ORDER BY created_at").fetchall()
            users = [user for (user,) in connection.execute("SELECT id FROM users")]
        verify(load, cuts=True, slow=True)
    with Listener(rabbitmq.url, queue=fault) as listener:
        events = listener.hear()
        listener.channel.queue_delete(fault)
    once = list({event["id"]: event for event in events}.values())
    attempts = [event["data"] for event in once if event["type"] == "peerprep.attempt.recorded.v1"]
    told = [(UUID(data["user_id"]), data["question_id"], UUID(data["attempt_id"])) for data in attempts]
    registered = [UUID(event["subject"]) for event in once if event["type"] == "peerprep.user.registered.v1"]
    log.info("%s: %s events, %s came twice", fault, len(once), len(events) - len(once))
    assert [event["id"] for event in once if event["type"] == "peerprep.user.verified.v1"] == backlog
    assert sorted(registered) == sorted(users)
    assert by_question(told) == by_question(stored)
    first = {event["subject"]: event["type"] for event in reversed(once) if event["id"] not in backlog}
    assert set(first.values()) == {"peerprep.user.registered.v1"}


def by_question(attempts: Iterable[tuple[UUID, int, UUID]]) -> dict[tuple[UUID, int], list[UUID]]:
    """The attempts of each user at each question, in their order."""
    found = defaultdict(list)
    for user, question, attempt in attempts:
        found[user, question].append(attempt)
    return found
