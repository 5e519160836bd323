"""The machine of the primary goes down under load, and its standby is promoted."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.tests.proxies import pgbouncer
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


@pytest.mark.parametrize("way", ["both hosts", "PgBouncer"])
def test_nothing_acknowledged_is_lost(
    standby: Standby, rabbitmq: RabbitMQ, tmp_path: Path, verify: Callable[..., None], way: str
) -> None:
    """The service knows both hosts, or a PgBouncer that is led to the new primary."""
    database = standby.url_of("migrated")
    Listener(rabbitmq.url, queue=way).connection.close()
    with (
        pgbouncer(standby.primary.url_of("migrated")) as pooler,
        serving(tmp_path / "log", pooler.url if way == "PgBouncer" else database, RABBITMQ_URL=rabbitmq.url) as service,
    ):
        with Load(service, database) as load:
            time.sleep(2)
            backlog = write_backlog(database)
            with load.fault():
                standby.primary.kill()
                time.sleep(1)
                standby.control("promote")
                pooler.lead_to(standby.own_url)
                pooler.reload()
            time.sleep(5)
        with Listener(rabbitmq.url, queue=way) as listener:
            told = Told(database, listener, backlog, left=load.left, deaths=1)
        verify(load, told, slow=True)
