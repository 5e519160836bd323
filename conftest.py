"""What the tests of every app share: a cast of users, a client that speaks JSON, a mailbox behind a real server."""

import asyncio
import gc
import json
import math
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SMTPSession
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import Client, TransactionTestCase
from django.test.client import ClientHandler
from psycopg.sql import SQL, Identifier

from accounts.flows.sessions import TokenPair, start_session
from accounts.mail.queue import deliver_due
from accounts.models import AuditHead, Role, Session, User
from accounts.tokens.keys import ring
from core import client
from core.rate_limits import hops_noted_at
from core.tests.environment import DATABASE_URL
from core.tests.servers import free_port

PASSWORD = "correct horse battery"
AS_MIGRATED = {"auth_permission", "django_content_type"}
AUDIT = ["audit_personal", "audit_trail", "audit_head"]  # in the order of their foreign keys


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by the fixtures that they use, directly or through others."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if marker := item.get_closest_marker("django_db"):
            fixtures.add("transactional_db" if marker.kwargs.get("transaction") else "db")
        # Threads that race, servers, a real browser, and the pages of the admin site.
        if fixtures & {"transactional_db", "fresh_database", "chromium", "browser"}:
            item.add_marker("slow")
        if not fixtures & {"db", "transactional_db", "migrated"}:  # pytest-django refuses them the database
            item.add_marker("any_database")


def pytest_collection_finish() -> None:
    """What is loaded by now stays until the end: the garbage collector need not look at it again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def django_db_setup(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The database of the tests themselves: on SQLite a file, since threads that race each need a connection."""
    flush = patch.object(TransactionTestCase, "_fixture_teardown", empty_tables)
    with database(tmp_path_factory, of=migrated) as url, connected_to(url), flush:
        yield


def empty_tables(_: object) -> None:
    """Deletes all that a transactional test has stored; Django's flush truncates every table, which takes longer."""
    names = set(connection.introspection.django_table_names()) - AS_MIGRATED
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in names))
        used = {name for (name,) in cursor.fetchall()}
        for name in used.difference(AUDIT):
            cursor.execute(f"DELETE FROM {name}")
        past_the_triggers(*[f"DELETE FROM {name}" for name in AUDIT if name in used])
    AuditHead.objects.get_or_create()


def past_the_triggers(*statements: str) -> None:
    """Changes the audit trail as an owner of the database may, who puts the triggers back afterwards."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            tables = ("audit_trail", "audit_head")  # ALTER TABLE takes no pending checks of foreign keys
            away = ["SET CONSTRAINTS ALL IMMEDIATE", *[f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in tables]]
            back = [*[f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in tables], "SET CONSTRAINTS ALL DEFERRED"]
        else:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            away, back = [f"DROP TRIGGER {name}" for name, _ in triggers], [sql for _, sql in triggers]
        for sql in [*away, *statements, *back]:
            cursor.execute(sql)


@pytest.fixture(scope="session", autouse=True)
def _hops_noted() -> None:
    """A process notes once in a while how many proxies calls came through: never in the middle of some test."""
    hops_noted_at[0] = math.inf


@pytest.fixture(autouse=True)
def _forgotten_keys() -> None:
    """The signing keys that this process has read are those of another test, and rolled back."""
    ring.forget()


# One for all: WhiteNoise reads every static file when the middleware is loaded, which costs more than most requests.
HANDLER = ClientHandler(enforce_csrf_checks=True)
BROWSER_HANDLER = ClientHandler(enforce_csrf_checks=False)


class Api:
    """A client of the service: JSON in, JSON out. With a token, a signed-in one."""

    def __init__(self, token: str = "", **headers: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.client.handler = HANDLER
        self.headers = headers | ({"Authorization": f"Bearer {token}"} if token else {})

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        kind = "application/json" if body is not None else ""
        return self.client.generic(method, path, content, kind, headers={**self.headers, **headers})

    def get(self, path: str, **headers: str) -> Any:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self("DELETE", path, **headers)


@dataclass
class Person:
    """Somebody with an account and a session of their own."""

    user: User
    session: Session
    tokens: TokenPair
    api: Api = field(init=False)

    def __post_init__(self) -> None:
        self.api = Api(self.tokens.access_token)

    @property
    def credentials(self) -> dict[str, str]:
        return {"email": self.user.email, "password": PASSWORD}


def person(email: str, **facts: Any) -> Person:
    facts = {"name": email.partition("@")[0].title(), "is_verified": True} | facts
    user = User.objects.create_user(email, PASSWORD, **facts)
    session = start_session(user, client.Client(ip="192.0.2.1", user_agent="pytest"))
    return Person(user, session, TokenPair.of(session, user))


def new_browser() -> Client:
    """A browser without cookies, whose forms need no CSRF token."""
    client = Client()
    client.handler = BROWSER_HANDLER
    return client


def browser_of(admin: Person) -> Client:
    """An admin's browser, signed in to the admin site."""
    client = new_browser()
    answer = client.post("/admin/login/", {"username": admin.user.email, "password": PASSWORD, "next": "/admin/"})
    assert answer.status_code == 302
    return client


@pytest.fixture
def api() -> Api:
    """Nobody in particular."""
    return Api()


@pytest.fixture
def alice(db: None) -> Person:
    return person("alice@example.com")


@pytest.fixture
def bob(db: None) -> Person:
    return person("bob@example.com")


@pytest.fixture
def unverified(db: None) -> Person:
    return person("una@example.com", is_verified=False)


@pytest.fixture
def admin(db: None) -> Person:
    return person("root@example.com", role=Role.ADMIN)


@pytest.fixture
def browser(admin: Person) -> Client:
    return browser_of(admin)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[str]:
    """The URL of a migrated database that nobody uses: others are copies of it, since migrating takes a second."""
    if connection.vendor == "sqlite":
        options = connection.settings_dict["OPTIONS"]
        options["timeout"] = 20  # on a busy machine twenty writers may take longer than a request may wait
        options["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"  # nothing waits for the disk
    with database(tmp_path_factory) as url:
        with django_db_blocker.unblock(), connected_to(url):
            call_command("migrate", verbosity=0, interactive=False)
        yield url


@contextmanager
def connected_to(url: str) -> Iterator[None]:
    """Connects this process to another database of the same kind."""
    facts = connection.settings_dict
    connections.close_all()
    before, facts["NAME"] = facts["NAME"], urlsplit(url).path[1:]
    try:
        yield
    finally:
        connections.close_all()
        facts["NAME"] = before


@pytest.fixture(scope="module")
def fresh_database(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a migrated, empty database for a running server."""
    with database(tmp_path_factory, of=migrated) as url:
        yield url


@contextmanager
def database(folders: pytest.TempPathFactory, of: str = "") -> Iterator[str]:
    """The URL of a new database: an empty one, or a copy."""
    if not DATABASE_URL.startswith("postgres"):
        file = folders.mktemp("served") / "db.sqlite3"
        if of:
            shutil.copy(of.removeprefix("sqlite:///"), file)
        yield f"sqlite:///{file}"
        return
    name, template = f"served_{uuid4().hex[:12]}", urlsplit(of).path[1:] or "template1"
    url = re.sub(r"\+\w+", "", DATABASE_URL, count=1)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
        server.execute(SQL("ALTER DATABASE {} SET synchronous_commit = off").format(Identifier(name)))
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


class Sink:
    """What an SMTP server does with mail: keeps it."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.recipients: list[list[str]] = []  # of each, as the envelope has them
        self.pause = 0.0  # seconds that it takes over each

    async def handle_DATA(self, server: SMTP, session: SMTPSession, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.pause)
        content = envelope.original_content
        assert isinstance(content, bytes)
        self.received.append(message_from_bytes(content, policy=policy.default))
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"


@pytest.fixture(scope="session")
def smtp_server() -> Iterator[Controller]:
    """A real SMTP server for the whole run."""
    controller = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


class Mailbox:
    """Delivers what is queued, over SMTP, and shows what arrived."""

    def __init__(self, sink: Sink, port: int) -> None:
        self.sink, self.port = sink, port

    def all(self) -> list[EmailMessage]:
        deliver_due()
        return self.sink.received

    def last(self) -> EmailMessage:
        return self.all()[-1]

    def text(self) -> str:
        body = self.last().get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")

    def code(self) -> str:
        return find(r"^ +(\d{6})$", self.text())

    def verification_token(self) -> str:
        return unquote(find(r"/verify-email\?token=(\S+)", self.text()))


def find(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match, f"no {pattern} in {text}"
    return match[1]


@pytest.fixture
def mailbox(smtp_server: Controller, settings: Any) -> Mailbox:
    settings.EMAIL_BACKEND = "core.smtp.SMTP"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp_server.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    sink: Sink = smtp_server.handler
    sink.received.clear()
    sink.recipients.clear()
    sink.pause = 0.0
    return Mailbox(sink, smtp_server.port)


Together = Callable[..., list[Any]]
MOST_TOGETHER = 24


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    """They keep their connections from one test to the next: connecting costs more than most calls."""
    with ThreadPoolExecutor(MOST_TOGETHER) as threads:
        yield threads
        at_once(threads, lambda _: connections.close_all(), MOST_TOGETHER)


@pytest.fixture
def together(transactional_db: None, settings: Any, threads: ThreadPoolExecutor) -> Together:
    """Runs a call in many threads that start at the same moment, each with its own connection; returns the answers.

    On a busy machine so many wait for each other longer than a request may.
    """
    settings.REQUEST_TIME = timedelta(minutes=1)
    return partial(at_once, threads)


def at_once(threads: ThreadPoolExecutor, call: Callable[[int], Any], times: int = 20) -> list[Any]:
    barrier = threading.Barrier(times)

    def one(number: int) -> Any:
        barrier.wait(10)
        return call(number)

    running = [threads.submit(one, number) for number in range(times)]
    wait(running, 60)
    return [each.result(0) for each in running]
