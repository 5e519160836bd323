"""Events reach a real RabbitMQ: in order and at least once, also where something fails on the way."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from conftest import Person, Together
from core import publisher
from core.jobs import Turn
from core.models import Event, EventQuerySet
from core.publisher import BROKER_ERRORS, broker_fault, connected_channel, publish_events, publish_waiting
from core.tests.commands import reported
from core.tests.rabbitmq import URL, Listener, require_rabbitmq
from core.tests.servers import ROOT, database_url, free_port
from core.tests.waiting import PATIENCE, wait_until

USERS = [uuid4() for _ in range(3)]


@pytest.fixture
def exchange(settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """One of the test's own."""
    require_rabbitmq()
    settings.RABBITMQ_URL = URL
    name = f"user.events.{uuid4()}"
    monkeypatch.setattr(publisher, "EXCHANGE", name)
    return name


@pytest.fixture
def listener(exchange: str) -> Iterator[Listener]:
    with Listener(exchange=exchange) as listener:
        yield listener
        listener.channel.exchange_delete(exchange)


def write(count: int) -> list[str]:
    """Writes events of several users. Returns their ids, in order."""
    events = [
        Event(type=Event.Type.USER_ROLE_CHANGED, user_id=USERS[number % 3], data={"role": "USER"})
        for number in range(count)
    ]
    return [str(event.id) for event in Event.objects.bulk_create(events)]


def first_times(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ids))


def heard(listener: Listener) -> list[str]:
    return [event["id"] for event in listener.hear()]


def test_it_is_a_cloud_event_that_is_deleted_when_confirmed(listener: Listener, alice: Person) -> None:
    alice.api.put("/users/me", {"name": "Alicia"})
    row = Event.objects.get()
    assert publish_waiting(Turn()) == 1 and not Event.objects.exists()
    (event,) = listener.hear()
    assert listener.keys == ["user.renamed"]
    assert event == {
        "specversion": "1.0",
        "id": str(row.id),
        "source": "/user-service",
        "type": "peerprep.user.renamed.v1",
        "subject": str(alice.user.pk),
        "time": row.created_at.isoformat().replace("+00:00", "Z"),
        "data": {"user_id": str(alice.user.pk)},
    }


def test_several_publishers_at_once_keep_the_order_even_without_the_claim(
    listener: Listener, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventQuerySet, "claim", lambda self: list(self.order_by("position")[:7]))
    ids = write(50)
    together(lambda _: publish_waiting(Turn()), 4)
    got = heard(listener)
    assert first_times(got) == ids and len(got) > 50
    assert not Event.objects.exists()


def test_the_claim_spares_what_several_would_all_send(listener: Listener, together: Together) -> None:
    ids = write(250)
    assert sum(together(lambda _: publish_waiting(Turn()), 4)) == 250
    assert heard(listener) == ids


def test_what_rabbitmq_does_not_confirm_is_sent_again_before_what_follows(listener: Listener, db: None) -> None:
    """A queue that is full refuses the third."""
    arguments: dict[str, Any] = {"x-max-length": 2, "x-overflow": "reject-publish"}
    with Listener(exchange=publisher.EXCHANGE, arguments=arguments) as full:
        ids = write(5)
        publish_events(Turn())
        assert [str(event.id) for event in Event.objects.order_by("position")] == ids[2:]
        heard(full)
        publish_events(Turn())
        heard(full)
        publish_events(Turn())
        assert heard(full) == ids
    assert first_times(heard(listener)) == ids


@pytest.mark.parametrize("silent", [False, pytest.param(True, marks=[pytest.mark.slow, pytest.mark.any_database])])
def test_while_rabbitmq_is_away_publishers_pause(
    listener: Listener, settings: Any, db: None, caplog: pytest.LogCaptureFixture, silent: bool
) -> None:
    ids = write(2)
    caplog.set_level(logging.WARNING)
    with socket.create_server(("127.0.0.1", 0)) as never_answers:
        port = never_answers.getsockname()[1] if silent else free_port()
        settings.RABBITMQ_URL = f"amqp://guest:hush@127.0.0.1:{port}/"
        for _ in range(3):
            publish_events(Turn())
    assert [record.message for record in caplog.records] == ["Events could not be published"]
    assert "hush" not in str(caplog.records[0].__dict__)
    settings.RABBITMQ_URL = URL
    assert publish_waiting(Turn()) == 0
    with time_machine.travel(timezone.now() + EventQuerySet.CLAIM):
        assert publish_waiting(Turn()) == 2
    assert heard(listener) == ids


def test_a_turn_that_is_over_ends_after_one_event_and_leaves_the_rest_to_any_publisher(
    listener: Listener, db: None
) -> None:
    ids = write(3)
    assert publish_waiting(Turn(0)) == 1
    assert publish_waiting(Turn()) == 2
    assert heard(listener) == ids


class CuttingProxy:
    """Passes on so many bytes of the client's, then cuts the connection."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = URL.replace("5672", str(self.listener.getsockname()[1]))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", 5672))
                threading.Thread(target=self.carry, args=(server, client, sys.maxsize), daemon=True).start()
                self.carry(client, server, self.most)

    def carry(self, source: socket.socket, target: socket.socket, most: int) -> None:
        with suppress(OSError):
            while most > 0 and (data := source.recv(4096)):
                target.sendall(data[:most])
                most -= len(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
def test_a_connection_that_is_cut_at_any_byte_loses_nothing(listener: Listener, settings: Any, db: None) -> None:
    ids = write(30)
    for most in (100, 1500, 2217, 3333, 5001):
        settings.RABBITMQ_URL = CuttingProxy(most).url
        publish_events(Turn())
        Event.objects.update(claimed_until=None)
    settings.RABBITMQ_URL = URL
    publish_events(Turn())
    got = heard(listener)
    assert first_times(got) == ids and len(got) <= 35


# --- Processes ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("transactional_db")
def test_a_worker_that_is_killed_loses_nothing(settings: Any) -> None:
    """The exchange is the real one, so what other tests publish arrives too."""
    require_rabbitmq()
    settings.RABBITMQ_URL = URL
    ids = write(400)
    variables = os.environ | {"DATABASE_URL": database_url(), "RABBITMQ_URL": URL, "LOG_LEVEL": "ERROR"}
    with Listener() as listener:

        def got() -> list[str]:
            return [event_id for event_id in heard(listener) if event_id in set(ids)]

        with subprocess.Popen([sys.executable, "manage.py", "work"], cwd=ROOT, env=variables) as process:
            wait_until(lambda: Event.objects.count() < 400, "nothing arrives")
            process.send_signal(signal.SIGKILL)
            assert process.wait(PATIENCE) == -signal.SIGKILL
        left = Event.objects.count()
        assert 0 < left < 400
        Event.objects.update(claimed_until=None)  # half a minute later
        assert reported("publish_events") == (f"{left} published.\n", 0)
        assert first_times(got()) == ids
        assert len(got()) <= 400 + EventQuerySet.MOST_AT_ONCE


def test_the_command_says_why_it_publishes_nothing(settings: Any, db: None) -> None:
    with pytest.raises(CommandError, match="Events are off"):
        call_command("publish_events")
    write(1)
    port = free_port()
    settings.RABBITMQ_URL = f"amqp://guest:hush@127.0.0.1:{port}/"
    with pytest.raises(CommandError) as refused:
        call_command("publish_events")
    assert str(refused.value) == f"RabbitMQ does not take events: nothing listens at 127.0.0.1:{port}."


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://no-such-host.invalid/", "the name no-such-host.invalid does not resolve"),
        ("amqp://guest:hush@127.0.0.1:5672/", "127.0.0.1:5672 rejects the user name or the password"),
        ("amqp://guest:guest@127.0.0.1:5672/hush", "127.0.0.1:5672 has no such virtual host, or not for this user"),
    ],
)
def test_what_is_wrong_with_the_url_is_said_in_words(exchange: str, settings: Any, url: str, said: str) -> None:
    settings.RABBITMQ_URL = url
    with pytest.raises(BROKER_ERRORS) as failure, connected_channel():
        pass
    assert broker_fault(failure.value) == said


@pytest.mark.slow
@pytest.mark.any_database
def test_a_broker_that_is_silent_is_named(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        settings.RABBITMQ_URL = f"amqp://{where}/"
        with pytest.raises(BROKER_ERRORS) as silence, connected_channel():
            pass
        assert broker_fault(silence.value) == f"{where} does not answer"


def test_the_command_says_what_it_leaves_to_others(exchange: str, db: None) -> None:
    write(2)
    Event.objects.claim()
    waiting = "Still waiting: 2, new ones, or those of a publisher that is at work or has just failed."
    said = f"0 published. {waiting}\n"
    assert reported("publish_events") == (said, 1)
