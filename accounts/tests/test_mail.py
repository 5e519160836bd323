"""The mail queue."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from accounts.flows import mail
from accounts.flows.mail import Sender, deliver_due, queue
from accounts.models import Mail
from conftest import Mailbox, Person, Together, person
from peerprep_users.clients import Client
from peerprep_users.tests.servers import free_port

FACTS = mail.circumstances(Client(ip="192.0.2.7", user_agent="curl/8.0"))


def changed(to: str = "alice@example.com") -> None:
    queue(Mail.Kind.PASSWORD_CHANGED, to, FACTS)


def test_a_mail_exists_exactly_when_its_change_does(alice: Person, mailbox: Mailbox) -> None:
    def fail() -> None:
        with transaction.atomic():
            changed()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not mailbox.all()


@pytest.mark.parametrize("kind", Mail.Kind.values)
def test_every_kind_says_who_when_and_where_in_text_and_html(unverified: Person, mailbox: Mailbox, kind: str) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    facts = {"at": "2026-11-24T12:34:56+00:00", "ip": "192.0.2.7", "user_agent": agent}
    queue(Mail.Kind(kind), unverified.user.email, facts)
    received = mailbox.last()
    html = received.get_body(("html",))
    assert html is not None
    for body in (mailbox.text(), html.get_content()):
        for fact in (
            "PeerPrep",
            "Una",
            "24 November 2026, 12:34",
            "192.0.2.7",
            "Firefox on Linux",
            "If it was not you",
        ):
            assert fact in body
    assert received["From"] == "PeerPrep <no-reply@peerprep.localhost>"
    assert received["Auto-Submitted"] == "auto-generated"


def test_a_name_cannot_inject_markup(mailbox: Mailbox, db: None) -> None:
    person("eve@example.com", name='<img src="http://evil.example">')
    changed("eve@example.com")
    html = mailbox.last().get_body(("html",))
    assert html is not None
    assert "<img" not in html.get_content()


def test_a_mail_that_cannot_be_delivered_is_tried_again_later(alice: Person, mailbox: Mailbox, settings: Any) -> None:
    changed()
    working, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert (deliver_due(), deliver_due()) == (1, 0)
        waiting = Mail.objects.get()
        assert (waiting.state, waiting.tries) == (Mail.State.QUEUED, 1)
        assert "Connection refused" in waiting.error
        assert 24 <= (waiting.due_at - timezone.now()).total_seconds() <= 36
        settings.EMAIL_PORT = working
        clock.shift(timedelta(seconds=40))
        assert len(mailbox.all()) == 1
    assert Mail.objects.get().state == Mail.State.SENT


def test_it_gives_up_after_six_tries(alice: Person, mailbox: Mailbox, settings: Any) -> None:
    changed()
    settings.EMAIL_PORT = free_port()
    start = timezone.now()
    for hour in range(10):
        with time_machine.travel(start + timedelta(hours=2 * hour)):
            deliver_due()
    dead = Mail.objects.get()
    assert (dead.state, dead.tries, dead.facts) == (Mail.State.DEAD, 6, {})


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (smtplib.SMTPRecipientsRefused({"a@b.c": (550, b"no such user")}), Mail.State.DEAD),
        (smtplib.SMTPRecipientsRefused({"a@b.c": (450, b"try later")}), Mail.State.QUEUED),
        (smtplib.SMTPDataError(554, b"spam"), Mail.State.DEAD),
        (smtplib.SMTPDataError(451, b"try later"), Mail.State.QUEUED),
        (smtplib.SMTPAuthenticationError(535, b"bad password"), Mail.State.QUEUED),
        (RuntimeError("a fault of ours"), Mail.State.QUEUED),
    ],
)
def test_only_what_is_permanent_is_dead_at_once(
    alice: Person, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(EmailMultiAlternatives, "send", fail)
    changed()
    deliver_due()
    assert Mail.objects.get().state == state


def test_several_senders_never_send_one_mail_twice(alice: Person, mailbox: Mailbox, together: Together) -> None:
    for _ in range(40):
        changed()
    assert sum(together(lambda _: deliver_due(), 4)) == 40
    assert len(mailbox.sink.received) == 40


def test_a_sender_that_died_loses_nothing(alice: Person, mailbox: Mailbox) -> None:
    changed()
    assert mail.claim() is not None
    assert not mailbox.all()
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        assert len(mailbox.all()) == 1


def test_a_sender_thread_delivers_what_is_queued_beside_it(mailbox: Mailbox, transactional_db: None) -> None:
    person("alice@example.com")
    sender = Sender()
    sender.start()
    try:
        with transaction.atomic():
            changed()
        for _ in range(200):
            if Mail.objects.get().state == Mail.State.SENT:
                break
            sender.join(0.02)
    finally:
        sender.stop(10)
    assert len(mailbox.sink.received) == 1
    assert not sender.is_alive()


def test_the_command_delivers_once(alice: Person, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]) -> None:
    changed()
    call_command("deliver_mail")
    assert "1 taken" in capsys.readouterr().out
    assert len(mailbox.sink.received) == 1
