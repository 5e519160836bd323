"""No request waits for the SMTP server, and no mail is lost when it is down."""

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
from core.tests.waiting import PATIENCE, wait_until

CAROL = {"email": "carol@example.com", "password": "correct horse battery"}
SERVER_TIMEOUT = 60.0  # seconds: a call that waited for the silent server would take so long


@contextmanager
def sending() -> Iterator[None]:
    worker = Worker([Job("deliver mail", 1.0, deliver_due, at_once=True)])
    worker.start()
    try:
        yield
    finally:
        worker.stop(PATIENCE)
        assert not worker.is_alive()


@contextmanager
def broken(how: str) -> Iterator[int]:
    """The port of an SMTP server that does not work."""
    if how == "refusing":
        yield free_port()
        return
    script = {"silent": {"greeting": SILENCE}, "dropping": {"content": HANG_UP}}[how]
    with scripted(**script) as server:
        yield server.port


@pytest.mark.parametrize("how", ["refusing", "silent", "dropping"])
@pytest.mark.usefixtures("transactional_db")
def test_no_call_waits_for_it_and_the_mail_arrives_afterwards(
    api: Api, mailbox: Mailbox, settings: Any, how: str
) -> None:
    working, settings.EMAIL_TIMEOUT = settings.EMAIL_PORT, SERVER_TIMEOUT
    person("bob@example.com")
    with sending():
        with broken(how) as port:
            settings.EMAIL_PORT = port
            started = time.monotonic()
            assert api.post("/auth/register", CAROL).status_code == 201
            wait_until(lambda: Mail.objects.filter(tries=1).exists())  # the worker is busy with it
            assert api.post("/auth/forgot-password", {"email": "bob@example.com"}).status_code == 200
            assert time.monotonic() - started < SERVER_TIMEOUT / 2
        wait_until(lambda: Mail.objects.exclude(error="").count() == 2)
    settings.EMAIL_PORT = working
    with time_machine.travel(timezone.now() + timedelta(seconds=40), tick=False):
        assert {message["To"] for message in mailbox.all()} == {"carol@example.com", "bob@example.com"}
    assert set(Mail.objects.values_list("state", flat=True)) == {Mail.State.SENT}
