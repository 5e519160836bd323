"""Guessing against the running server: several worker processes, many addresses, many devices, all at once."""

import re
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from conftest import PASSWORD, find
from core.tests.servers import free_port, served
from peerprep_users.tests.story import Inbox, inbox

ROUNDS = 20


class House(NamedTuple):
    url: str
    box: Inbox
    callers: list[httpx.Client]  # each from an address and a device of its own
    log: Path

    def counted(self, series: str) -> float:
        """What a scrape says of a series. Each has a new connection, and so comes to any process."""
        return float(find(rf"^{re.escape(series)} (\S+)$", httpx.get(f"{self.url}/metrics", trust_env=False).text))


@pytest.fixture(scope="module")
def house(fresh_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    port, log = free_port(), tmp_path_factory.mktemp("house") / "log"
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), "MAIL_STARTTLS": "false"}
    with (
        inbox(port) as box,
        served(
            free_port(), log, DATABASE_URL=fresh_database, WEB_CONCURRENCY="2", TRUSTED_PROXY_COUNT="1", **mail
        ) as url,
    ):
        callers = [caller(url, number) for number in range(100)]
        yield House(url, box, callers, log)
        for one in callers:
            one.close()


def caller(url: str, number: int) -> httpx.Client:
    headers = {"X-Forwarded-For": f"198.51.100.{number}", "User-Agent": f"device {number}"}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


def at_once(house: House, path: str, bodies: list[dict[str, str]]) -> list[str]:
    """The codes of the answers, `ok` for a success, to calls that are sent at the same moment from as many clients."""
    barrier = Barrier(len(bodies))

    def send(number: int) -> str:
        http = house.callers[number]
        http.get("/healthz")
        barrier.wait(30)
        answer = http.post(path, json=bodies[number])
        return "ok" if answer.status_code == 200 else str(answer.json()["code"])

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, range(len(bodies))))


def guessed(house: House, guesses: dict[str, list[str]]) -> list[Counter[str]]:
    """How often each code came for an address, when ten passwords for each are sent at the same moment."""
    bodies = [{"email": email, "password": password} for email, words in guesses.items() for password in words]
    answers = at_once(house, "/auth/login", bodies)
    return [Counter(answers[start : start + 10]) for start in range(0, len(bodies), 10)]


def registered(house: House) -> str:
    email = f"{uuid4().hex}@example.com"
    body = {"email": email, "password": PASSWORD}
    assert house.callers[0].post("/auth/register", json=body).status_code == 201
    return email


def test_of_ten_wrong_passwords_three_are_evaluated(house: House) -> None:
    wrong = [f"wrong {number}" for number in range(10)]
    for _ in range(ROUNDS):
        known, unknown = registered(house), f"{uuid4().hex}@example.com"
        for answers in guessed(house, {known: wrong, unknown: wrong}):
            assert answers == {"invalid_credentials": 3, "account_locked": 7}


def test_of_nine_wrong_and_one_right_no_more_than_three_wrong_are_evaluated_a_lock(house: House) -> None:
    for round_ in range(0, ROUNDS, 2):
        guesses = {
            registered(house): [PASSWORD if number == right % 10 else f"wrong {number}" for number in range(10)]
            for right in (round_, round_ + 1)
        }
        for found in guessed(house, guesses):
            # The right one met a closed door, or came in time: after two wrong ones at most, and three more lock again.
            came_in_time = found["email_not_verified"] == 1
            assert found["invalid_credentials"] in (range(3, 6) if came_in_time else [3])
            assert found.total() == found["invalid_credentials"] + found["account_locked"] + came_in_time


def test_of_a_hundred_codes_at_once_five_are_evaluated(house: House) -> None:
    email = registered(house)
    house.callers[0].post("/auth/forgot-password", json={"email": email})
    house.box.next(email)
    code = find(r"^ +(\d{6})$", house.box.next(email))
    wrong = [f"{(int(code) + number) % 1_000_000:06}" for number in range(1, 100)]
    answers = at_once(house, "/auth/verify-reset-code", [{"email": email, "code": guess} for guess in [*wrong, code]])
    assert set(answers[:-1]) == {"invalid_reset_code"} and answers[-1] in {"invalid_reset_code", "ok"}
    assert at_once(house, "/auth/verify-reset-code", [{"email": email, "code": code}]) == ["invalid_reset_code"]


def test_a_scrape_of_any_process_counts_all(house: House) -> None:
    series = 'logins_total{outcome="invalid_credentials"}'
    before = house.counted(series)
    at_once(house, "/auth/login", [{"email": f"{uuid4().hex}@example.com", "password": "wrong"} for _ in range(20)])
    assert {house.counted(series) for _ in range(12)} == {before + 20}
    assert house.counted("workers") == 2


def test_what_is_no_http_is_counted_and_logged(house: House) -> None:
    address = urlsplit(house.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"hush hush\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert house.counted('http_requests_total{method="OTHER",route="malformed",status="400"}') == 1
    own_id = find(r"X-Request-ID: (\w+)", answer.decode())
    lines = [line for line in house.log.read_text().splitlines() if own_id in line]
    assert len(lines) == 1 and "OTHER malformed 400" in lines[0] and "hush" not in house.log.read_text()
