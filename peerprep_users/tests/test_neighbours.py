"""The service as its neighbours know it, each behaving as the real one does: over gunicorn, behind nginx."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from core.tests.gateways import RULES, nginx
from core.tests.servers import free_port, served
from peerprep_users.tests.story import SOLVED, Inbox, inbox

pytestmark = pytest.mark.any_database

SECRET = "what-the-service-and-its-siblings-share"
PASSWORD = "correct horse battery"
BROWSER_ADDRESS = "127.0.0.3"  # any but that of the gateway


@pytest.fixture(scope="module")
def box() -> Iterator[tuple[int, Inbox]]:
    port = free_port()
    with inbox(port) as received:
        yield port, received


@pytest.fixture(scope="module")
def service(fresh_database: str, box: tuple[int, Inbox]) -> Iterator[str]:
    """The base URL that siblings on the inside network call."""
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(box[0]), "MAIL_STARTTLS": "false"}
    variables = {"DATABASE_URL": fresh_database, "SECRET_KEY": SECRET, "TRUSTED_PROXY_COUNT": "1", **mail}
    with served(free_port(), PUBLIC_BASE_URL="http://front.example", **variables) as base_url:
        yield base_url


@pytest.fixture(scope="module", params=RULES)
def gateway(request: pytest.FixtureRequest, service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL that browsers call."""
    with nginx(request.param, urlsplit(service).netloc, tmp_path_factory.mktemp("gateway")) as port:
        yield f"http://127.0.0.1:{port}"


class Browser:
    """A front end: it shows `detail`, or each `msg` alone, and notices a dead token only when its `exp` comes."""

    def __init__(self, gateway: str, email: str) -> None:
        transport = httpx.HTTPTransport(local_address=BROWSER_ADDRESS)
        self.http = httpx.Client(base_url=gateway, transport=transport, timeout=60, trust_env=False)
        self.email = email
        self.stored: dict[str, str] = {}
        self.shown = ""

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self.stored['access_token']}"} if self.stored else {}
        answer = self.http.request(method, f"/api/v1/{path}", json=body, headers=bearer)
        if answer.is_error:
            detail = answer.json()["detail"]
            self.shown = detail if isinstance(detail, str) else " ".join(problem["msg"] for problem in detail)
        return answer

    def signs_up(self, **changes: str) -> int:
        """Keeps the access token alone."""
        body = {"email": self.email, "password": PASSWORD, "name": "Ann"} | changes
        answer = self.call("POST", "users/auth/register", body)
        if answer.is_success:
            self.stored = {"access_token": answer.json()["access_token"]}
        return answer.status_code

    def follows_the_link(self, box: Inbox) -> int:
        link = re.search(r"http://front\.example/verify-email\?token=\S+", box.next(self.email))
        assert link
        token = parse_qs(urlsplit(link[0]).query)["token"][0]
        return self.http.get("/api/v1/users/auth/verify-email", params={"token": token}).status_code

    def logs_in(self, password: str = PASSWORD) -> int:
        self.stored = {}
        answer = self.call("POST", "users/auth/login", {"email": self.email, "password": password})
        if answer.is_success:
            self.stored = {name: answer.json()[name] for name in ("access_token", "refresh_token")}
        return answer.status_code

    def blurs_the_old_password(self, typed: str) -> bool:
        return bool(self.call("POST", "users/auth/verify-password", {"password": typed}).json().get("ok"))

    def seconds_to_the_refresh(self) -> float:
        claims = jwt.decode(self.stored["access_token"], options={"verify_signature": False})
        return float(claims["exp"] - 60 - time.time())

    def refreshes(self) -> bool:
        """Forgets both tokens after any error, and is signed out then."""
        answer = self.call("POST", "users/auth/refresh", {"refresh_token": self.stored["refresh_token"]})
        new = answer.json() if answer.is_success else {}
        self.stored = {**self.stored, **new} if new else {}
        return bool(self.stored)

    def logs_out(self) -> None:
        """Without a body and its content type; it forgets the tokens only after a success."""
        if self.call("POST", "users/auth/logout").is_success:
            self.stored = {}


OpenBrowser = Callable[[str], Browser]


@pytest.fixture
def open_browser(gateway: str) -> Iterator[OpenBrowser]:
    with ExitStack() as opened:

        def open_one(email: str) -> Browser:
            browser = Browser(gateway, email)
            opened.enter_context(browser.http)
            return browser

        yield open_one


@pytest.fixture
def newcomer(open_browser: OpenBrowser) -> Browser:
    return open_browser(f"ann-{time.monotonic_ns()}@example.com")


@pytest.fixture
def browser(newcomer: Browser, box: tuple[int, Inbox]) -> Browser:
    """Of somebody who has verified their address and is signed in."""
    assert newcomer.signs_up() == 201
    assert newcomer.follows_the_link(box[1]) == 200
    assert newcomer.logs_in() == 200
    return newcomer


def test_a_browser_shows_sentences_that_make_sense_alone(open_browser: OpenBrowser) -> None:
    browser = open_browser("nobody")
    assert browser.signs_up(password="short", name="n" * 101) == 422
    assert browser.shown == (
        "Enter a valid e-mail address. The password needs at least 8 characters. "
        "The name may have at most 100 characters."
    )


def test_a_browser_signs_up_follows_the_link_and_logs_in(newcomer: Browser, box: tuple[int, Inbox]) -> None:
    assert newcomer.signs_up() == 201
    assert newcomer.call("GET", "users/users/me").json()["email"] == newcomer.email
    assert newcomer.logs_in() == 403
    assert newcomer.shown.startswith("The e-mail address is not verified yet.")
    assert newcomer.follows_the_link(box[1]) == 200
    assert newcomer.logs_in() == 200


def test_a_browser_that_asks_at_every_blur_locks_nobody_out(browser: Browser) -> None:
    typed = [PASSWORD[:length] for length in (4, 9, 12, 16, 16, 16)]
    assert [browser.blurs_the_old_password(each) for each in [*typed, PASSWORD]] == [False] * 6 + [True]
    assert browser.logs_in() == 200


def test_a_browser_reads_the_lock_in_its_sentence(browser: Browser) -> None:
    assert [browser.logs_in("not this one") for _ in range(4)] == [401, 401, 401, 403]
    assert "locked for 15 minutes;" in browser.shown


def test_a_browser_is_told_when_to_refresh_and_stays_signed_in(browser: Browser) -> None:
    assert 13 * 60 < browser.seconds_to_the_refresh() <= 14 * 60
    before = browser.stored
    assert browser.refreshes()
    assert browser.stored.keys() >= before.keys() and browser.stored["refresh_token"] != before["refresh_token"]
    assert browser.call("GET", "users/users/me").status_code == 200


def test_tabs_that_refresh_at_once_get_one_successor(browser: Browser) -> None:
    body = {"refresh_token": browser.stored["refresh_token"]}
    with ThreadPoolExecutor(4) as tabs:
        answers = list(tabs.map(lambda _: browser.call("POST", "users/auth/refresh", body), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_a_browser_whose_session_ended_elsewhere_can_log_out(browser: Browser, open_browser: OpenBrowser) -> None:
    other = open_browser(browser.email)
    assert other.logs_in() == 200
    other.logs_out()
    assert not other.stored
    assert browser.call("GET", "users/users/me").status_code == 401
    browser.logs_out()
    assert not browser.stored


def test_a_browser_records_and_reads_attempts(browser: Browser) -> None:
    made = browser.call("POST", "attempts/", SOLVED)
    assert made.status_code == 201
    (listed,) = browser.call("GET", "attempts/me?limit=200&offset=0").json()
    assert {"id", "question_id", "created_at", "is_solved"} <= listed.keys()
    assert browser.call("GET", "attempts/me/summary").json()["solved"] == 1
    opened = browser.call("GET", f"attempts/{listed['id']}").json()
    assert SOLVED.items() <= opened.items()


def test_the_users_paths_know_whose_browser_calls(browser: Browser) -> None:
    sessions = browser.call("GET", "users/auth/sessions").json()
    assert {session["ip"] for session in sessions} == {BROWSER_ADDRESS}


def test_nothing_of_the_inside_comes_through(gateway: str) -> None:
    for path in ("metrics", "readyz/details"):
        assert httpx.get(f"{gateway}/api/v1/users/{path}", trust_env=False).status_code == 404


# --- Siblings, on the inside network --------------------------------------------------------------------------------


def ask(service: str, path: str, token: str) -> Any:
    """What a sibling gets; None for every answer but 200, which it takes as 401."""
    answer = httpx.get(f"{service}{path}", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    return answer.json() if answer.status_code == 200 else None


def identity(token: str) -> str | None:
    """Whom a sibling that holds the secret takes the token for, without asking."""
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], issuer="user-service")
    except jwt.InvalidTokenError:
        return None
    return str(claims["sub"]) if claims["type"] == "access" else None


def test_matching_learns_who_it_is(service: str, browser: Browser) -> None:
    me = browser.call("GET", "users/users/me").json()
    assert ask(service, "/users/me", browser.stored["access_token"])["id"] == me["id"]
    assert ask(service, "/users/me", browser.stored["refresh_token"]) is None
    assert ask(service, "/users/me", "rubbish") is None


def test_question_learns_whether_it_is_an_admin(service: str, browser: Browser) -> None:
    token = browser.stored["access_token"]
    assert ask(service, "/users/is-admin", token) == {"is_admin": False}
    browser.logs_out()
    assert ask(service, "/users/is-admin", token) is None


def test_a_socket_verifies_tokens_by_itself(browser: Browser) -> None:
    me = browser.call("GET", "users/users/me").json()
    assert identity(browser.stored["access_token"]) == me["id"]
    assert identity(browser.stored["refresh_token"]) is None
    header, claims, signature = browser.stored["access_token"].split(".")
    assert identity(f"{header}.{claims[:-2]}xx.{signature}") is None
