"""No request waits for the SMTP server, and no mail is lost for want of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.mail.queue import deliver_due
from accounts.models import Mail
from conftest import Api, Mailbox, person
from core.jobs import Job, Worker
from core.tests.servers import free_port
from core.tests.smtp import HANG_UP, SILENCE, scripted

CAROL = {"email": "carol@example.com", "password": "correct horse battery"}
AS_EVER = 0.8  # seconds; less than the silent server is given, and far more than a call takes


@contextmanager
def sending() -> Iterator[None]:
    sender = Worker([Job("deliver mail", 1.0, deliver_due, at_once=True)])
    sender.start()
    try:
        yield
    finally:
        sender.stop(10)
        assert not sender.is_alive()


@contextmanager
def broken(how: str) -> Iterator[int]:
    """The port of an SMTP server that does not do its work."""
    if how == "refusing":
        yield free_port()
        return
    script = {"silent": {"greeting": SILENCE}, "dropping": {"content": HANG_UP}}[how]
    with scripted(**script) as server:
        yield server.port


@pytest.mark.parametrize("how", ["refusing", "silent", "dropping"])
@pytest.mark.usefixtures("transactional_db")
def test_it_is_not_noticed_and_the_mail_arrives_afterwards(api: Api, mailbox: Mailbox, settings: Any, how: str) -> None:
    working, settings.EMAIL_TIMEOUT = settings.EMAIL_PORT, 1
    person("bob@example.com")
    api.post("/auth/register", {**CAROL, "email": "dave@example.com"})  # loads what the first one has to load
    assert mailbox.last()["To"] == "dave@example.com"
    mailbox.sink.received.clear()
    with broken(how) as port:
        settings.EMAIL_PORT = port
        with sending():
            durations = []
            for call, body in (("register", CAROL), ("forgot-password", {"email": "bob@example.com"})):
                started = time.monotonic()
                assert api.post(f"/auth/{call}", body).status_code in {200, 201}
                durations.append(time.monotonic() - started)
            wait_for_failures(2)
    assert max(durations) < AS_EVER
    settings.EMAIL_PORT = working
    with time_machine.travel(timezone.now() + timedelta(seconds=40), tick=False):
        assert {message["To"] for message in mailbox.all()} == {"carol@example.com", "bob@example.com"}
    assert set(Mail.objects.values_list("state", flat=True)) == {Mail.State.SENT}


def wait_for_failures(count: int) -> None:
    deadline = time.monotonic() + 10
    while Mail.objects.exclude(error="").count() < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
