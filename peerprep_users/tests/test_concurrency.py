"""Request slots: few, yielded while a request waits, released by a streamed response. And slots of one owner."""

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import BytesIO
from queue import Empty
from typing import Any

import pytest
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, OperationalError, connection, connections, transaction
from django.http import HttpResponseBase
from django.test import RequestFactory
from rest_framework.request import Request

from accounts import hashing, login_guard
from accounts.models import LoginGuard, User
from conftest import Person
from core import concurrency, downloads
from core.concurrency import REQUEST_SLOTS, Slots, request_slots, waiting_writers
from core.downloads import TooManyDownloads
from core.errors import Unavailable
from core.tests.waiting import wait_until
from peerprep_users.wsgi import application

SLOW_STATEMENTS = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has none")
InThread = Callable[[Callable[[], Any]], Any]


def free() -> int:
    return len(request_slots.free.free)


@pytest.fixture
def hurry(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second for a request instead of five, and a fifth of its last second."""
    settings.REQUEST_TIME = timedelta(seconds=0.5)
    monkeypatch.setattr(concurrency, "LAST_SECONDS", 0.2)


@pytest.fixture
def in_thread(transactional_db: None) -> Iterator[InThread]:
    """Calls a function in a thread of its own, as a server does. All slots must be free afterwards."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda work: pool.submit(work).result(20)
    assert free() == REQUEST_SLOTS
    wrappers = [request_slots.free.get() for _ in range(REQUEST_SLOTS)]
    for wrapper in wrappers:
        wrapper.close()
        request_slots.free.put(wrapper)


@contextmanager
def slot() -> Iterator[None]:
    """That of a request."""
    request_slots.begin()
    try:
        yield
    finally:
        request_slots.release()


def get(path: str, person: Person) -> Any:
    environ = RequestFactory().get(path, headers={"Authorization": f"Bearer {person.tokens.access_token}"}).environ
    return application(environ, lambda *args: None)


def test_a_response_releases_its_slot(in_thread: InThread, alice: Person) -> None:
    for _ in range(REQUEST_SLOTS + 1):
        answer = in_thread(lambda: get("/users/me", alice))
        assert (answer.status_code, free()) == (200, REQUEST_SLOTS)


def test_a_fault_releases_its_slot(in_thread: InThread, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "get_response", None)
    with pytest.raises(TypeError):
        in_thread(lambda: get("/users/me", alice))


def test_a_broken_connection_is_not_handed_on(in_thread: InThread) -> None:
    """Whoever gets the slot next may do so in the middle of a request."""

    def ask(*, broken: bool) -> None:
        with slot(), connection.cursor() as cursor:
            if broken:
                connection.connection.close()  # as a statement does that takes too long
            cursor.execute("SELECT 1")

    for _ in range(REQUEST_SLOTS):
        with pytest.raises(Error):
            in_thread(lambda: ask(broken=True))
    for _ in range(REQUEST_SLOTS):
        in_thread(lambda: ask(broken=False))


def test_a_yielded_slot_is_free_within_the_block(in_thread: InThread) -> None:
    def wait() -> tuple[int, int, int]:
        request_slots.acquire()
        before = free()
        with request_slots.yielded():
            within = free()
        after = free()
        request_slots.release()
        return before, within, after

    assert in_thread(wait) == (REQUEST_SLOTS - 1, REQUEST_SLOTS, REQUEST_SLOTS - 1)


def test_a_thread_without_a_slot_yields_nothing(in_thread: InThread) -> None:
    def wait() -> int:
        with request_slots.yielded():
            return free()

    assert in_thread(wait) == REQUEST_SLOTS


def test_a_request_waits_for_a_slot(in_thread: InThread) -> None:
    taken = [request_slots.free.get() for _ in range(REQUEST_SLOTS)]
    acquired = threading.Event()

    def wait() -> None:
        request_slots.acquire()
        acquired.set()
        request_slots.release()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not acquired.wait(0.05)
    for wrapper in taken:
        request_slots.free.put(wrapper)
    thread.join(5)
    assert acquired.is_set()


@pytest.mark.usefixtures("in_thread")
def test_a_free_slot_goes_to_the_request_that_began_first() -> None:
    taken = [request_slots.free.get() for _ in range(REQUEST_SLOTS)]
    last, served, go_on = time.monotonic() + 20, list[str](), threading.Event()

    def wait(name: str, deadline: float) -> None:
        request_slots.deadline = deadline
        request_slots.acquire()
        served.append(name)
        go_on.wait(20)
        request_slots.release()

    requests = {"a newer one": last, "one that comes back": last - 2, "one as old": last - 2}
    with ThreadPoolExecutor(3) as pool:
        for number, (name, deadline) in enumerate(requests.items(), 1):
            pool.submit(wait, name, deadline)
            wait_until(lambda: len(request_slots.free.waiting) == number)  # noqa: B023 - it is called at once
        request_slots.free.put(taken.pop())
        with pytest.raises(Empty):
            request_slots.free.get(timeout=0)
        go_on.set()
    request_slots.free.put(taken.pop())
    assert served == ["one that comes back", "one as old", "a newer one"]


@pytest.mark.usefixtures("hurry")
def test_a_thread_that_gets_no_slot_back_may_clean_up(in_thread: InThread) -> None:
    def wait() -> tuple[int, bool]:
        request_slots.begin()
        with pytest.raises(Unavailable), request_slots.yielded():
            taken = [request_slots.free.get() for _ in range(REQUEST_SLOTS)]
        own = connections[DEFAULT_DB_ALIAS]
        users = User.objects.count()
        request_slots.release()
        for wrapper in taken:
            request_slots.free.put(wrapper)
        return users, own.connection is None

    assert in_thread(wait) == (0, True)


@contextmanager
def held_turn(somebody: Person) -> Iterator[Slots]:
    """Another process evaluates a guess; those who wait for it."""
    login_guard.count_guess(somebody.user.email)
    yield login_guard.waiting


@contextmanager
def held_hash(somebody: Person) -> Iterator[Slots]:
    """The hashes that may be made at once take for ever; those who wait for them."""
    for _ in range(settings.ARGON2_CONCURRENCY):
        hashing.under_way.acquire()
    yield hashing.hash_slots
    for _ in range(settings.ARGON2_CONCURRENCY):
        hashing.under_way.release()


def log_in(somebody: Person) -> tuple[int, float]:
    """The status, and the seconds that it took."""
    body = json.dumps(somebody.credentials).encode()
    environ = RequestFactory().post("/auth/login", body, "application/json").environ
    began = time.monotonic()
    status: int = application(environ | {"wsgi.input": BytesIO(body)}, lambda *args: None).status_code
    return status, time.monotonic() - began


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("slots_too", [False, True])
@pytest.mark.parametrize(("held", "counted"), [(held_turn, 1), (held_hash, 0)])
def test_a_login_is_answered_in_time_whatever_it_waits_for(
    in_thread: InThread, alice: Person, held: Any, counted: int, *, slots_too: bool
) -> None:
    with held(alice) as waiting, ThreadPoolExecutor(1) as other:
        login = other.submit(in_thread, lambda: log_in(alice))
        wait_until(lambda: waiting.owners or login.done())
        taken = [request_slots.free.get() for _ in range(REQUEST_SLOTS * slots_too)]
        status, seconds = login.result(20)
        for wrapper in taken:
            request_slots.free.put(wrapper)
    assert status == 503
    assert seconds < 6  # half a one, and those of a busy machine
    assert LoginGuard.objects.get().failures == counted


@SLOW_STATEMENTS
def test_the_statements_of_a_request_share_its_time(in_thread: InThread, settings: Any) -> None:
    settings.REQUEST_TIME = timedelta(seconds=2)

    def ask() -> None:
        with slot():
            for _ in range(10):  # each of them short, so that on a busy machine none is too long by itself
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(0.3)")

    with pytest.raises(OperationalError, match="no result within 0"):
        in_thread(ask)


@SLOW_STATEMENTS
@pytest.mark.usefixtures("hurry")
def test_a_request_does_not_connect_again_once_its_transaction_broke(in_thread: InThread) -> None:
    def ask() -> bool:
        with slot():
            with suppress(OperationalError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(1)")
            return connection.connection is None

    assert in_thread(ask)


def test_requests_of_one_user_write_one_after_the_other(in_thread: InThread, alice: Person, bob: Person) -> None:
    def write(person: Person) -> int:
        headers = {"Authorization": f"Bearer {person.tokens.access_token}"}
        environ = RequestFactory().generic("POST", "/auth/logout", headers=headers).environ
        return int(application(environ, lambda *args: None).status_code)

    def hold() -> tuple[int, bool]:
        request_slots.acquire()
        request_slots.take_turn(alice.user.pk)
        with ThreadPoolExecutor(2) as others:
            second = others.submit(write, alice)
            assert others.submit(write, bob).result(20) == 200  # the second waits without a slot
            waited = not second.done()
            request_slots.release()
            return second.result(20), waited

    assert in_thread(hold) == (200, True)


def test_twenty_refreshes_of_one_user_at_once_all_succeed(in_thread: InThread, alice: Person, settings: Any) -> None:
    settings.REQUEST_TIME = timedelta(minutes=1)
    body = json.dumps({"refresh_token": alice.tokens.refresh_token}).encode()
    environ = RequestFactory().post("/auth/refresh", body, "application/json").environ

    def refresh() -> Any:
        return application(environ | {"wsgi.input": BytesIO(body)}, lambda *args: None)

    def hold() -> set[int]:
        request_slots.acquire()
        request_slots.take_turn(alice.user.pk)
        with ThreadPoolExecutor(20) as others:
            refreshes = [others.submit(refresh) for _ in range(20)]
            wait_until(lambda: len(waiting_writers.owners) == 20 or any(each.done() for each in refreshes))
            request_slots.release()
            return {each.result(20).status_code for each in refreshes}

    assert in_thread(hold) == {200}


def test_a_streamed_response_has_a_connection_of_its_own(in_thread: InThread, alice: Person) -> None:
    def download() -> tuple[bytes, int, bool]:
        answer = get("/users/me/export", alice)
        during = free()
        own = connections[DEFAULT_DB_ALIAS]
        content = b"".join(answer)
        answer.close()
        return content, during, own.connection is None

    content, during, closed = in_thread(download)
    assert alice.user.email.encode() in content
    assert (during, closed) == (REQUEST_SLOTS, True)


def test_a_streamed_response_that_is_cut_short_closes_its_connection(in_thread: InThread, alice: Person) -> None:
    def begin() -> bool:
        answer = get("/users/me/export", alice)
        own = connections[DEFAULT_DB_ALIAS]
        next(iter(answer))
        answer.close()
        return own.connection is None

    assert in_thread(begin)
    assert connection.is_usable()


# --- Downloads ------------------------------------------------------------------------------------------------------


@pytest.fixture
def slots(db: None, monkeypatch: pytest.MonkeyPatch) -> Slots:
    """Those for downloads, all free: an earlier test may have left some taken."""
    free = Slots(downloads.download_slots.total, downloads.download_slots.per_owner)
    monkeypatch.setattr(downloads, "download_slots", free)
    return free


def begin(user: User) -> HttpResponseBase:
    request = Request(RequestFactory().get("/"))
    request.user = user
    return downloads.download(request, iter([b"content"]), "text/plain", "content.txt")


@pytest.mark.usefixtures("slots")
def test_one_user_downloads_two_files_at_once() -> None:
    user = User()
    begun = [begin(user), begin(user)]
    with pytest.raises(TooManyDownloads) as refused:
        begin(user)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")
    assert begin(User()).status_code == 200
    assert len(begun) == 2


@pytest.mark.usefixtures("slots")
def test_four_files_are_downloaded_at_once() -> None:
    begun = [begin(User()) for _ in range(4)]
    with pytest.raises(TooManyDownloads):
        begin(User())
    assert len(begun) == 4


def test_a_download_that_is_closed_twice_releases_its_slot_once(slots: Slots) -> None:
    first, second = begin(User()), begin(User())
    first.close()
    first.close()
    assert len(slots.owners) == 1
    second.close()
    assert slots.owners == []


def test_a_download_that_is_never_closed_releases_its_slot(slots: Slots) -> None:
    begin(User())
    gc.collect()
    assert slots.owners == []


def test_a_download_that_fails_from_the_start_releases_its_slot(slots: Slots) -> None:
    request = Request(RequestFactory().get("/"))
    request.user = User()
    with pytest.raises(ZeroDivisionError):
        downloads.download(request, (b"%d" % (1 // 0) for _ in range(1)), "text/plain", "content.txt")
    assert slots.owners == []
