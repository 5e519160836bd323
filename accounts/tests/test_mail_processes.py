"""`manage.py work` as processes: killed, stopped, several at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.utils import timezone

from accounts.mail.queue import circumstances
from accounts.models import Mail, User
from conftest import Mailbox
from core.client import Client
from core.tests.servers import ROOT, database_url
from core.tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("transactional_db")
FACTS = circumstances(Client(ip="192.0.2.7", user_agent="curl/8.0"))


def queue(count: int) -> None:
    User.objects.bulk_create(
        User(email=f"user{number}@example.com", name="U", is_verified=True) for number in range(count)
    )
    Mail.objects.bulk_create(
        Mail(kind=Mail.Kind.PASSWORD_CHANGED, to=f"user{number}@example.com", facts=FACTS) for number in range(count)
    )


@contextmanager
def sender(mailbox: Mailbox) -> Iterator["subprocess.Popen[bytes]"]:
    variables = {
        "DATABASE_URL": database_url(),
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": str(mailbox.port),
        "MAIL_STARTTLS": "false",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "manage.py", "work"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | variables) as process:
        try:
            yield process
        finally:
            process.kill()


def states() -> dict[str, int]:
    return {state: count for state, count in Mail.objects.all().counts().items() if count}


@pytest.mark.any_database
def test_a_sender_killed_in_the_middle_of_a_batch_loses_nothing(mailbox: Mailbox) -> None:
    queue(30)
    mailbox.sink.pause = 0.01
    with sender(mailbox) as process:
        wait_until(lambda: len(mailbox.sink.received) >= 8, "nothing arrives")
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL
    assert states().get("sent", 0) < 30
    Mail.objects.waiting().update(due_at=timezone.now())  # two minutes later: the claims of the killed have run out
    mailbox.all()
    assert states() == {"sent": 30}
    got = [recipient for envelope in mailbox.sink.recipients for recipient in envelope]
    assert len(set(got)) == 30
    assert len(got) <= 31  # at least once: the killed one may have died between the server's answer and its note


@pytest.mark.any_database
def test_a_sender_that_is_told_to_stop_finishes_the_mail_under_way(mailbox: Mailbox) -> None:
    queue(30)
    mailbox.sink.pause = 0.1
    with sender(mailbox) as process:
        wait_until(lambda: len(mailbox.sink.received) >= 3, "nothing arrives")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert len(mailbox.sink.received) < 30
    assert states() == {"queued": 30 - len(mailbox.sink.received), "sent": len(mailbox.sink.received)}
    assert not Mail.objects.waiting().filter(tries__gt=0).exists()


def test_several_senders_share_the_work_and_send_nothing_twice(mailbox: Mailbox) -> None:
    queue(30)
    mailbox.sink.pause = 0.01
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(sender(mailbox))
        wait_until(lambda: len(mailbox.sink.received) >= 30 and states() == {"sent": 30}, "not all of it is sent")
    got = [recipient for envelope in mailbox.sink.recipients for recipient in envelope]
    assert len(got) == len(set(got)) == 30
