"""A load on the service, with a ledger of what it acknowledged, to be compared with what it has in the end."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self
from uuid import uuid4

import httpx
import jwt
import psycopg

from conftest import PASSWORD
from core.tests.waiting import PATIENCE
from tests.faults.service import Replicas, Service

RATE = 25.0  # calls a second, whether or not earlier ones are answered
PEOPLE = 12
KINDS = {"register": 6, "leave": 3, "log_in": 10, "refresh": 14, "profile": 26}
KINDS |= {"record": 20, "record_with_key": 12, "history": 12}
PATIENT = httpx.Timeout(30)
# The client drops an idle connection before gunicorn does: else some call would meet its end.
KEPT = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=3)
GRACE = 10.0  # seconds in which a refresh whose answer was lost can be repeated
PROBE_INTERVAL = 0.2


@dataclass
class Call:
    kind: str
    began: float
    ended: float
    status: int  # 0 where there was no answer
    problem: str

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Session:
    tokens: dict[str, Any]
    lock: threading.Lock = field(default_factory=threading.Lock)
    in_doubt_since: float = 0.0  # of a refresh whose answer was lost, or that failed
    over: bool = False

    @property
    def may_be_over(self) -> bool:
        """Whether a refresh was done, not answered, and could not be repeated in time: the service ends the session."""
        return 0 < self.in_doubt_since < time.monotonic() - GRACE

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}


@dataclass
class Caller:
    """A user of the load."""

    email: str
    sessions: list[Session]


def problem_of(answer: httpx.Response) -> str:
    """What is wrong about an answer, whatever happens to the service."""
    try:
        body = answer.json()
    except ValueError:
        return f"{answer.status_code} without JSON"
    if answer.status_code == 503 and int(answer.headers.get("Retry-After", 0)) >= 1 and {"detail", "code"} <= set(body):
        return ""
    return "" if answer.is_success else f"{answer.status_code} {body.get('code')}"


class Load:
    """Calls until `stop`, from several threads, as a dozen users.

    Args:
        database: the URL of its database; not the one that the service uses, where that one fails.
    """

    def __init__(self, service: Service | Replicas, database: str) -> None:
        self.service, self.database = service, database
        self.logged_before = service.log.stat().st_size
        self.running: list[Future[None]] = []
        self.calls: list[Call] = []
        self.probes: list[Call] = []
        self.registered: list[str] = []
        self.left: list[str] = []  # the ids of users who deleted their account
        self.recorded: dict[str, set[str]] = {}  # by the submitted code, the ids in the answers
        self.fault_began = self.fault_ended = 0.0
        self.dice = random.Random(34)
        self.stopping = threading.Event()
        self.http = httpx.Client(base_url=service.url, timeout=PATIENT, limits=KEPT, trust_env=False)
        self.pool = ThreadPoolExecutor(200)
        self.callers = [self.join() for _ in range(PEOPLE)]
        with psycopg.connect(database) as connection:
            emails = [caller.email for caller in self.callers]
            connection.execute("UPDATE users SET is_verified = true WHERE email = ANY(%s)", [emails])

    def join(self) -> Caller:
        email = f"{uuid4().hex}@example.com"
        answer = self.http.post("/auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return Caller(email, [Session(answer.json())])

    # --- While it runs ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.drivers = [threading.Thread(target=self.drive), threading.Thread(target=self.probe)]
        for driver in self.drivers:
            driver.start()
        return self

    def __exit__(self, *args: object) -> None:
        """Stops, and waits for the calls that are under way."""
        self.stopping.set()
        for driver in self.drivers:
            driver.join()
        self.pool.shutdown()
        for running in self.running:
            running.result()

    @contextmanager
    def fault(self) -> Iterator[None]:
        self.fault_began = time.monotonic()
        yield
        self.fault_ended = time.monotonic()

    def drive(self) -> None:
        kinds = [getattr(self, kind) for kind in KINDS]
        while not self.stopping.wait(1 / RATE):
            caller = self.dice.choice(self.callers)
            (act,) = self.dice.choices(kinds, list(KINDS.values()))
            self.running.append(self.pool.submit(act, caller))

    def probe(self) -> None:
        while not self.stopping.wait(PROBE_INTERVAL):
            with httpx.Client(base_url=self.service.url, timeout=PATIENT, trust_env=False) as http:
                self.probes.append(self.timed("probe", partial(http.get, "/healthz"))[0])

    def timed(self, kind: str, send: Callable[[], httpx.Response]) -> tuple[Call, httpx.Response | None]:
        began, answer = time.monotonic(), None
        try:
            answer = send()
            status, problem = answer.status_code, problem_of(answer)
        except httpx.HTTPError as exc:
            status, problem = 0, f"cut: {type(exc).__name__}"
        return Call(kind, began, time.monotonic(), status, problem), answer

    def call(self, kind: str, path: str, body: Any = None, session: Session | None = None, **headers: str) -> Any:
        """A call of the API; the body of a successful answer, else None."""
        if session:
            headers |= session.bearer
        method = "DELETE" if kind == "leave" else "GET" if body is None else "POST"
        call, answer = self.timed(kind, partial(self.http.request, method, path, json=body, headers=headers))
        if call.status == 401 and session:
            call.problem = "" if session.may_be_over else call.problem
            session.over = True
        self.calls.append(call)
        return answer.json() if answer is not None and answer.is_success else None

    # --- The calls --------------------------------------------------------------------------------------------------

    def register(self, _: Caller) -> None:
        email = f"{uuid4().hex}@example.com"
        if self.call("register", "/auth/register", {"email": email, "password": PASSWORD}):
            self.registered.append(email)

    def leave(self, _: Caller) -> None:
        """Somebody registers, tries one question and deletes the account."""
        email = f"{uuid4().hex}@example.com"
        if tokens := self.call("register", "/auth/register", {"email": email, "password": PASSWORD}):
            leaver, code = Caller(email, [Session(tokens)]), uuid4().hex
            self.post_attempt("record", leaver, code)
            self.recorded.pop(code, None)  # it goes with the account
            if self.call("leave", "/users/me", session=leaver.sessions[0]):
                self.left.append(jwt.decode(tokens["access_token"], options={"verify_signature": False})["sub"])

    def log_in(self, caller: Caller) -> None:
        if tokens := self.call("log_in", "/auth/login", {"email": caller.email, "password": PASSWORD}):
            caller.sessions.append(Session(tokens))

    def profile(self, caller: Caller) -> None:
        self.call("profile", "/users/me", session=self.session_of(caller))

    def history(self, caller: Caller) -> None:
        self.call("history", "/api/v1/attempts/me", session=self.session_of(caller))

    def record(self, caller: Caller) -> None:
        self.post_attempt("record", caller, uuid4().hex)

    def record_with_key(self, caller: Caller) -> None:
        """Repeats the call until it is acknowledged, as a client with a key does."""
        code, deadline = uuid4().hex, time.monotonic() + PATIENCE
        while not self.post_attempt("record_with_key", caller, code, **{"Idempotency-Key": code}):
            assert time.monotonic() < deadline, "an attempt with a key is never acknowledged"
            time.sleep(0.5)

    def post_attempt(self, kind: str, caller: Caller, code: str, **headers: str) -> bool:
        body = {"question_id": int(code, 16) % 9 + 1, "language": "python", "submitted_code": code}
        body |= {"passed_tests": 1 + (code < "4"), "total_tests": 2}
        if attempt := self.call(kind, "/api/v1/attempts/", body, self.session_of(caller), **headers):
            self.recorded.setdefault(code, set()).add(attempt["id"])
        return bool(attempt)

    def refresh(self, caller: Caller) -> None:
        session = self.session_of(caller)
        if session.lock.acquire(blocking=False):  # a client refreshes once at a time
            try:
                self.rotate(session)
            finally:
                session.lock.release()

    def rotate(self, session: Session) -> bool:
        """Repeats a refresh that failed or whose answer was lost, until it is known what became of the session."""
        began = time.monotonic()
        while not session.over and time.monotonic() < began + PATIENCE:
            body = {"refresh_token": session.tokens["refresh_token"]}
            if tokens := self.call("refresh", "/auth/refresh", body, session):
                session.tokens, session.in_doubt_since = tokens, 0.0
                return True
            session.in_doubt_since = session.in_doubt_since or began
            time.sleep(0.5)
        return False

    def session_of(self, caller: Caller) -> Session:
        return self.dice.choice([session for session in caller.sessions if not session.over] or caller.sessions)
