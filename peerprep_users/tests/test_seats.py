"""The seats of a process: few, given up while a request waits, left behind by an answer that is made as it is sent."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.http import HttpResponseBase
from django.test import RequestFactory
from rest_framework.request import Request

from accounts.models import User
from conftest import Person
from core import downloads
from core.concurrency import SEATS, Slots, seats
from core.downloads import TooManyDownloads
from peerprep_users.wsgi import application

Elsewhere = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def elsewhere(transactional_db: None) -> Iterator[Elsewhere]:
    """Does something in a thread of its own, as a server does, and sees that all seats are free afterwards."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda work: pool.submit(work).result(20)
    assert seats.free.qsize() == SEATS
    free = [seats.free.get() for _ in range(SEATS)]
    for each in free:
        each.close()
        seats.free.put(each)


def get(path: str, person: Person) -> Any:
    environ = RequestFactory().get(path, headers={"Authorization": f"Bearer {person.tokens.access_token}"}).environ
    return application(environ, lambda *args: None)


def test_an_answer_gives_its_seat_back(elsewhere: Elsewhere, alice: Person) -> None:
    for _ in range(SEATS + 1):
        answer = elsewhere(lambda: get("/users/me", alice))
        assert (answer.status_code, seats.free.qsize()) == (200, SEATS)


def test_a_fault_gives_its_seat_back(elsewhere: Elsewhere, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "get_response", None)
    with pytest.raises(TypeError):
        elsewhere(lambda: get("/users/me", alice))


def test_a_seat_that_is_given_up_is_another_s_meanwhile(elsewhere: Elsewhere) -> None:
    def wait() -> tuple[int, int, int]:
        seats.sit_down()
        sitting = seats.free.qsize()
        with seats.given_up():
            waiting = seats.free.qsize()
        again = seats.free.qsize()
        seats.stand_up()
        return sitting, waiting, again

    assert elsewhere(wait) == (SEATS - 1, SEATS, SEATS - 1)


def test_whoever_has_no_seat_has_none_to_give_up(elsewhere: Elsewhere) -> None:
    def wait() -> int:
        with seats.given_up():
            return seats.free.qsize()

    assert elsewhere(wait) == SEATS


def test_a_seat_is_waited_for(elsewhere: Elsewhere) -> None:
    taken = [seats.free.get() for _ in range(SEATS)]
    came = threading.Event()

    def wait() -> None:
        seats.sit_down()
        came.set()
        seats.stand_up()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not came.wait(0.05)
    for each in taken:
        seats.free.put(each)
    thread.join(5)
    assert came.is_set()


def test_a_stream_has_a_connection_of_its_own_that_ends_with_it(elsewhere: Elsewhere, alice: Person) -> None:
    def download() -> tuple[bytes, int, bool]:
        answer = get("/users/me/export", alice)
        free = seats.free.qsize()
        own = connections[DEFAULT_DB_ALIAS]
        content = b"".join(answer)
        answer.close()
        return content, free, own.connection is None

    content, free, closed = elsewhere(download)
    assert alice.user.email.encode() in content
    assert (free, closed) == (SEATS, True)


def test_a_stream_that_is_broken_off_leaves_nothing(elsewhere: Elsewhere, alice: Person) -> None:
    def begin() -> bool:
        answer = get("/users/me/export", alice)
        own = connections[DEFAULT_DB_ALIAS]
        next(iter(answer))
        answer.close()
        return own.connection is None

    assert elsewhere(begin)
    assert connection.is_usable()


@pytest.fixture
def slots(monkeypatch: pytest.MonkeyPatch) -> Slots:
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
