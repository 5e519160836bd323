"""The machine of the primary goes down under load, and its standby is promoted."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.tests.rabbitmq import Listener
from tests.faults.load import Load
from tests.faults.neighbours import PostgreSQL, RabbitMQ, Standby
from tests.faults.service import serving
from tests.faults.told import Told, write_backlog

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@pytest.fixture
def standby() -> Iterator[Standby]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        primary = PostgreSQL(folder)
        standby = Standby(primary, folder)
        yield standby
        standby.control("stop", "-m", "immediate")
        primary.close()


def test_nothing_acknowledged_is_lost(
    standby: Standby, rabbitmq: RabbitMQ, tmp_path: Path, verify: Callable[..., None]
) -> None:
    database = standby.url_of("migrated")
    Listener(rabbitmq.url, queue="failover").connection.close()
    with serving(tmp_path / "log", database, RABBITMQ_URL=rabbitmq.url) as service:
        with Load(service, database) as load:
            time.sleep(2)
            backlog = write_backlog(database)
            with load.fault():
                standby.primary.kill()
                time.sleep(1)
                standby.control("promote")
            time.sleep(5)
        with Listener(rabbitmq.url, queue="failover") as listener:
            told = Told(database, listener, backlog, left=load.left, deaths=1)
        verify(load, told, slow=True)
