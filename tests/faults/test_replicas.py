"""Three instances behind the gateway behave as one, while one of them is killed and another one restarted."""

import logging
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import jwt
import psycopg
import pytest

from conftest import PASSWORD
from core.tests.proxies import pgbouncer
from core.tests.rabbitmq import Listener
from core.tests.servers import ROOT
from core.tests.smtp import Scripted, scripted
from core.tests.waiting import PATIENCE, wait_until
from tests.faults.load import Load
from tests.faults.neighbours import RabbitMQ, RedisServer
from tests.faults.rules import FORGOT_PER_HOUR, RULES, Newcomer, asked_all_the_time, at_once, newcomer
from tests.faults.service import Replicas, replicated
from tests.faults.told import Told, write_backlog

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.faults]
SHARED = {"RATE_LIMIT_ENABLED": "true", "ALGORITHM": "ES256", "TRUSTED_PROXY_COUNT": "1", "WEB_CONCURRENCY": "1"}
SHARED |= {f"RATE_LIMIT_{name}": "100000/min" for name in ("LOGIN", "REGISTER", "REFRESH")}
SHARED |= {"MAIL_SERVER": "127.0.0.1", "MAIL_STARTTLS": "false", "USE_CREDENTIALS": "false"}


@pytest.fixture(scope="module")
def smtp() -> Iterator[Scripted]:
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def replicas(
    database: str, smtp: Scripted, rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    Listener(rabbitmq.url, queue="neighbour").connection.close()
    with RedisServer() as redis, pgbouncer(database) as pooler:
        redis.start()
        own = {"MAIL_PORT": str(smtp.port), "REDIS_URL": redis.url, "RABBITMQ_URL": rabbitmq.url}
        own |= {"RATE_LIMIT_FORGOT_PASSWORD": f"{FORGOT_PER_HOUR}/h"}
        folder = tmp_path_factory.mktemp("replicas")
        with replicated(folder, pooler.url, ROOT, ROOT, ROOT, **SHARED, **own) as replicas:
            yield replicas


@pytest.fixture(scope="module")
def clients(replicas: Replicas) -> Iterator[list[httpx.Client]]:
    """One for each instance."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(httpx.Client(base_url=one.url, timeout=60, trust_env=False)) for one in replicas.each
        ]


@pytest.fixture
def alice(clients: list[httpx.Client], database: str) -> Newcomer:
    return newcomer(clients[0], database)


def manage(database: str, *command: str) -> str:
    environment = {**os.environ, **SHARED, "DATABASE_URL": database}
    command = (sys.executable, "manage.py", *command)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def replace_key(database: str) -> str:
    """The id of the signing key that is active from now on."""
    kid = manage(database, "keys", "stage").partition("Staged ")[2].partition(".")[0]
    manage(database, "keys", "activate", kid, "--force", "--yes")
    return kid


def test_a_kill_and_a_restart_lose_nothing_and_open_no_rule(
    replicas: Replicas, database: str, smtp: Scripted, rabbitmq: RabbitMQ, verify: Callable[..., None]
) -> None:
    with Load(replicas, database) as load:
        time.sleep(3)
        with load.fault(), asked_all_the_time(replicas.url, database) as asking:
            backlog = write_backlog(database)
            killed, restarted, _ = sorted(replicas.each, key=lambda one: not one.is_connected_to(rabbitmq.port))
            killed.kill()
            restarted.process.terminate()
            assert restarted.process.wait(PATIENCE) == 0
            rounds = asking.rounds.copy()
            replace_key(database)  # the last instance has not read it yet when the others sign with it
            wait_until(lambda: all(asking.rounds[each.__name__] > rounds[each.__name__] + 1 for each in RULES))
            restarted.start()
            killed.start()
        time.sleep(3)
    with Listener(rabbitmq.url, queue="neighbour") as listener:
        told = Told(database, listener, backlog, left=load.left, deaths=1)
    log.info("the rules were asked: %s", asking.rounds)
    verify(load, told, cuts=True, slow=True)
    with psycopg.connect(database) as connection:
        sent = connection.execute("SELECT \"to\" FROM mails WHERE state = 'sent'").fetchall()
    arrived = Counter(re.findall(r"^To: (\S+)", b"".join(smtp.contents).decode(), re.MULTILINE))
    assert sent
    doubles = Counter({to: arrived[to] for (to,) in sent}) - Counter(to for (to,) in sent)
    assert Counter(to for (to,) in sent) - arrived == Counter()
    assert doubles.total() <= 1, doubles  # the sender that was killed after the server's answer
    manage(database, "audit", "verify")
    manage(database, "stats", "verify")


@pytest.mark.parametrize("rule", RULES, ids=[rule.__name__ for rule in RULES])
def test_it_holds_over_all(clients: list[httpx.Client], alice: Newcomer, rule: Callable[..., None]) -> None:
    rule(clients, alice)


def test_a_refresh_is_one_rotation_and_a_logout_ends_it_on_all(clients: list[httpx.Client], alice: Newcomer) -> None:
    def refresh(client: httpx.Client) -> httpx.Response:
        return client.post("/auth/refresh", json={"refresh_token": alice["refresh_token"]})

    assert len({answer.json()["refresh_token_id"] for answer in at_once(clients, 6, refresh)}) == 1
    clients[1].post("/auth/logout", headers=alice["bearer"])
    assert {client.get("/users/me", headers=alice["bearer"]).status_code for client in clients} == {401}


def test_a_new_signing_key_is_accepted_and_published_by_all(
    replicas: Replicas, clients: list[httpx.Client], alice: Newcomer, database: str
) -> None:
    before = len(clients[0].get("/.well-known/jwks.json").json()["keys"])
    kid = replace_key(database)
    last = replicas.each[-1]
    last.process.terminate()
    assert last.process.wait(PATIENCE) == 0
    last.start()  # it signs with the new key, which the others have not read yet
    answer = clients[-1].post("/auth/login", json={"email": alice["email"], "password": PASSWORD})
    access_token = answer.json()["access_token"]
    assert jwt.get_unverified_header(access_token)["kid"] == kid
    for bearer in (alice["bearer"], {"Authorization": f"Bearer {access_token}"}):
        assert {client.get("/users/me", headers=bearer).status_code for client in clients} == {200}
    rings = [client.get("/.well-known/jwks.json").json() for client in clients]
    assert len(rings[0]["keys"]) == before + 1 and rings[0] == rings[1] == rings[2]
