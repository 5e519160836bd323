"""Rules that hold over all instances together, whichever of them answers or dies.

Each is asked as a newcomer, by clients that lead to several instances, directly or through the gateway. A call whose
instance is killed is answered with 503 there; it may have counted.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from conftest import PASSWORD
from core.tests.waiting import PATIENCE

Clients = Sequence[httpx.Client]
Newcomer = dict[str, Any]

FORGOT_PER_HOUR = 5


def newcomer(client: httpx.Client, database: str) -> Newcomer:
    """Their tokens and their address, which is verified."""
    email = f"{uuid4().hex}@example.com"
    answer = insisted(lambda: client.post("/auth/register", json={"email": email, "password": PASSWORD}))
    if answer.status_code == 409:  # an instance died before it could answer
        return newcomer(client, database)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE users SET is_verified = true WHERE email = %s", [email])
    tokens: Newcomer = answer.json()
    return tokens | {"email": email, "bearer": {"Authorization": f"Bearer {tokens['access_token']}"}}


def insisted(send: Callable[[], httpx.Response]) -> httpx.Response:
    """The first answer that is not 503."""
    deadline = time.monotonic() + PATIENCE
    while (answer := send()).status_code == 503:
        assert time.monotonic() < deadline, "always 503"
        time.sleep(0.1)
    return answer


def at_once(clients: Clients, times: int, send: Callable[[httpx.Client], httpx.Response]) -> list[httpx.Response]:
    """The answers to calls that are spread over the instances."""
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(send, (clients[n % len(clients)] for n in range(times))))


def counted(clients: Clients, refused: int, send: Callable[[httpx.Client], httpx.Response]) -> Counter[int]:
    """The statuses of calls, nine at once, until one is refused so."""
    found: Counter[int] = Counter()
    deadline = time.monotonic() + PATIENCE
    while not found[refused]:
        assert time.monotonic() < deadline, f"none is refused: {found}"
        found += Counter(answer.status_code for answer in at_once(clients, 9, send))
    return found


def three_wrong_passwords_are_evaluated(clients: Clients, alice: Newcomer) -> None:
    def guess(client: httpx.Client, password: str = "") -> httpx.Response:
        return client.post("/auth/login", json={"email": alice["email"], "password": password or uuid4().hex})

    found = counted(clients, 403, guess)
    assert 3 - found[503] <= found[401] <= 3, found
    assert {insisted(lambda: guess(client, PASSWORD)).status_code for client in clients} == {403}  # noqa: B023


def ten_confirmations_are_evaluated(clients: Clients, alice: Newcomer) -> None:
    def guess(client: httpx.Client) -> httpx.Response:
        return client.post("/auth/verify-password", json={"password": uuid4().hex}, headers=alice["bearer"])

    found = counted(clients, 429, guess)
    assert 10 - found[503] <= found[200] <= 10, found


def a_limit_counts_the_calls_of_all(clients: Clients, _: Newcomer) -> None:
    address = f"2001:db8::{random.getrandbits(16):x}"  # the gateway puts its client's after it

    def ask(client: httpx.Client) -> httpx.Response:
        headers = {"X-Forwarded-For": address}
        return client.post("/auth/forgot-password", json={"email": "carol@example.com"}, headers=headers)

    found = counted(clients, 429, ask)
    assert FORGOT_PER_HOUR - found[503] <= found[200] <= FORGOT_PER_HOUR, found


def a_key_is_one_attempt(clients: Clients, alice: Newcomer) -> None:
    attempt = {"question_id": 1, "language": "python", "passed_tests": 1, "total_tests": 1}
    attempt |= {"submitted_code": alice["email"]}

    def record(client: httpx.Client) -> httpx.Response:
        headers = alice["bearer"] | {"Idempotency-Key": alice["email"]}
        return insisted(lambda: client.post("/api/v1/attempts/", json=attempt, headers=headers))

    answers = at_once(clients, 6, record)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) >= 5
    listed = insisted(lambda: clients[0].get("/api/v1/attempts/me", headers=alice["bearer"]))
    assert listed.headers["X-Total-Count"] == "1"


RULES = (
    three_wrong_passwords_are_evaluated,
    ten_confirmations_are_evaluated,
    a_limit_counts_the_calls_of_all,
    a_key_is_one_attempt,
)


class Asking:
    """Asks each rule again and again, at a gateway."""

    def __init__(self, url: str, database: str) -> None:
        self.url, self.database = url, database
        self.rounds: Counter[str] = Counter()
        self.over = Event()

    def ask(self, rule: Callable[[Clients, Newcomer], None]) -> None:
        while not self.over.is_set():
            address = ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])  # of the client
            transport = httpx.HTTPTransport(local_address=address)
            with httpx.Client(base_url=self.url, transport=transport, timeout=60) as client:
                rule([client], newcomer(client, self.database))
            self.rounds[rule.__name__] += 1


@contextmanager
def asked_all_the_time(url: str, database: str) -> Iterator[Asking]:
    asking = Asking(url, database)
    with ThreadPoolExecutor() as pool:
        results = [pool.submit(asking.ask, rule) for rule in RULES]
        try:
            yield asking
        finally:
            asking.over.set()
    for result in results:
        result.result()
