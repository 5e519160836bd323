"""Three instances behind the gateway behave as one, while one of them is killed and another one restarted."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx
import jwt
import psycopg
import pytest

from conftest import PASSWORD
from core.tests.rabbitmq import Listener
from core.tests.servers import ROOT
from core.tests.smtp import Scripted, scripted
from core.tests.waiting import PATIENCE, wait_until
from tests.faults.load import Load
from tests.faults.neighbours import RabbitMQ, RedisServer
from tests.faults.service import Replicas, replicated

pytestmark = [pytest.mark.slow, pytest.mark.faults]
SHARED = {"RATE_LIMIT_ENABLED": "true", "ALGORITHM": "ES256", "TRUSTED_PROXY_COUNT": "1", "WEB_CONCURRENCY": "1"}
SHARED |= {f"RATE_LIMIT_{name}": "100000/min" for name in ("LOGIN", "REGISTER", "REFRESH")}
SHARED |= {"MAIL_SERVER": "127.0.0.1", "MAIL_STARTTLS": "false", "USE_CREDENTIALS": "false"}
FORGOT_PER_HOUR = 5
ATTEMPT = {"question_id": 1, "language": "python", "submitted_code": "", "passed_tests": 1, "total_tests": 1}


@pytest.fixture(scope="module")
def smtp() -> Iterator[Scripted]:
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="module")
def replicas(
    database: str, smtp: Scripted, rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    with RedisServer() as redis:
        redis.start()
        own = {"MAIL_PORT": str(smtp.port), "REDIS_URL": redis.url, "RABBITMQ_URL": rabbitmq.url}
        own |= {"RATE_LIMIT_FORGOT_PASSWORD": f"{FORGOT_PER_HOUR}/h"}
        folder = tmp_path_factory.mktemp("replicas")
        with replicated(folder, database, ROOT, ROOT, ROOT, **SHARED, **own) as replicas:
            yield replicas


@pytest.fixture(scope="module")
def clients(replicas: Replicas) -> Iterator[list[httpx.Client]]:
    """One for each instance."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(httpx.Client(base_url=one.url, timeout=60, trust_env=False)) for one in replicas.each
        ]


@pytest.fixture
def alice(clients: list[httpx.Client], database: str) -> dict[str, Any]:
    """Her tokens and her address, which is verified."""
    email = f"{uuid4().hex}@example.com"
    answer = clients[0].post("/auth/register", json={"email": email, "password": PASSWORD})
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE users SET is_verified = true WHERE email = %s", [email])
    tokens: dict[str, Any] = answer.json()
    return tokens | {"email": email, "bearer": {"Authorization": f"Bearer {tokens['access_token']}"}}


def at_once(clients: list[httpx.Client], times: int, send: Callable[[httpx.Client, int], httpx.Response]) -> list[Any]:
    """The answers to calls that are spread over the instances."""
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(send, (clients[n % len(clients)] for n in range(times)), range(times)))


def manage(database: str, *command: str) -> str:
    environment = {**os.environ, **SHARED, "DATABASE_URL": database}
    command = (sys.executable, "manage.py", *command)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_kill_and_a_restart_lose_nothing(
    replicas: Replicas, database: str, smtp: Scripted, rabbitmq: RabbitMQ, verify: Callable[..., None]
) -> None:
    killed, restarted, _ = replicas.each
    Listener(rabbitmq.url, queue="neighbour").connection.close()
    with Load(replicas, database) as load:
        time.sleep(3)
        with load.fault():
            killed.kill()
            restarted.process.terminate()
            assert restarted.process.wait(PATIENCE) == 0
            restarted.start()
            killed.start()
        time.sleep(3)
    verify(load, cuts=True, slow=True)
    with psycopg.connect(database) as connection:
        sent = connection.execute("SELECT \"to\" FROM mails WHERE state = 'sent'").fetchall()
    arrived = Counter(re.findall(r"^To: (\S+)", b"".join(smtp.contents).decode(), re.MULTILINE))
    assert sent
    doubles = arrived - Counter(to for (to,) in sent)
    assert Counter(to for (to,) in sent) - arrived == Counter()
    assert doubles.total() <= 1, doubles  # the sender that was killed after the server's answer
    assert attempts_told_of(database, rabbitmq) == set(load.recorded)
    manage(database, "audit", "verify")
    manage(database, "stats", "verify")


def attempts_told_of(database: str, rabbitmq: RabbitMQ) -> set[str]:
    """The code of each attempt that an event has told of, once all events are published."""
    with psycopg.connect(database, autocommit=True) as connection:
        wait_until(lambda: not connection.execute("SELECT FROM events").rowcount, "not all events are published")
        with Listener(rabbitmq.url, queue="neighbour") as listener:
            told = [event["data"]["attempt_id"] for event in listener.hear() if event["type"].endswith("recorded.v1")]
        sql = "SELECT submitted_code FROM attempts WHERE id::text = ANY(%s)"
        return {str(code) for (code,) in connection.execute(sql, [told])}


def test_three_wrong_passwords_are_evaluated_over_all(clients: list[httpx.Client], alice: dict[str, Any]) -> None:
    def guess(client: httpx.Client, number: int) -> httpx.Response:
        return client.post("/auth/login", json={"email": alice["email"], "password": f"wrong password {number}"})

    codes = Counter(answer.json()["code"] for answer in at_once(clients, 9, guess))
    assert codes["invalid_credentials"] <= 3
    assert {
        client.post("/auth/login", json={"email": alice["email"], "password": PASSWORD}).status_code
        for client in clients
    } == {403}


def test_ten_confirmations_are_evaluated_over_all(clients: list[httpx.Client], alice: dict[str, Any]) -> None:
    def guess(client: httpx.Client, number: int) -> httpx.Response:
        return client.post("/auth/verify-password", json={"password": f"wrong one {number}"}, headers=alice["bearer"])

    assert Counter(answer.status_code for answer in at_once(clients, 15, guess)) == {200: 10, 429: 5}


def test_a_limit_counts_the_calls_of_all(clients: list[httpx.Client]) -> None:
    def ask(client: httpx.Client, _: int) -> httpx.Response:
        headers = {"X-Forwarded-For": "192.0.2.7"}
        return client.post("/auth/forgot-password", json={"email": "carol@example.com"}, headers=headers)

    answers = Counter(answer.status_code for answer in at_once(clients, 9, ask))
    assert answers == {200: FORGOT_PER_HOUR, 429: 9 - FORGOT_PER_HOUR}


def test_a_key_is_one_attempt_on_all(clients: list[httpx.Client], alice: dict[str, Any]) -> None:
    def record(client: httpx.Client, _: int) -> httpx.Response:
        headers = alice["bearer"] | {"Idempotency-Key": alice["email"]}
        return client.post("/api/v1/attempts/", json=ATTEMPT, headers=headers)

    answers = at_once(clients, 6, record)
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 5


def test_a_refresh_is_one_rotation_and_a_logout_ends_it_on_all(
    clients: list[httpx.Client], alice: dict[str, Any]
) -> None:
    def refresh(client: httpx.Client, _: int) -> httpx.Response:
        return client.post("/auth/refresh", json={"refresh_token": alice["refresh_token"]})

    assert len({answer.json()["refresh_token_id"] for answer in at_once(clients, 6, refresh)}) == 1
    clients[1].post("/auth/logout", headers=alice["bearer"])
    assert {client.get("/users/me", headers=alice["bearer"]).status_code for client in clients} == {401}


def test_a_new_signing_key_is_accepted_and_published_by_all(
    replicas: Replicas, clients: list[httpx.Client], alice: dict[str, Any], database: str
) -> None:
    (kid,) = re.findall(r"Staged (\S+)\.", manage(database, "keys", "stage"))
    manage(database, "keys", "activate", kid, "--force", "--yes")
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
    assert len(rings[0]["keys"]) == 2 and rings[0] == rings[1] == rings[2]
