"""The mail queue."""

from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from accounts.mail.models import TRIES
from accounts.mail.queue import circumstances, deliver, deliver_due, enqueue
from accounts.models import Mail, User
from accounts.tokens.jwt import verification_token
from conftest import Mailbox, Person, Together, person
from core.client import Client
from core.jobs import Job, Turn, Worker
from core.tests.commands import reported
from core.tests.servers import free_port
from core.tests.smtp import DRIBBLE, HANG_UP, SILENCE, scripted
from core.tests.waiting import PATIENCE, wait_until

FACTS = circumstances(Client(ip="192.0.2.7", user_agent="curl/8.0"))


def changed(to: str = "alice@example.com") -> None:
    enqueue(Mail.Kind.PASSWORD_CHANGED, to, FACTS)


def test_a_mail_exists_exactly_when_its_change_does(alice: Person, mailbox: Mailbox) -> None:
    def fail() -> None:
        with transaction.atomic():
            changed()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not mailbox.all()


@pytest.mark.parametrize("kind", Mail.Kind.values)
def test_every_kind_says_who_when_and_where_in_text_and_html(alice: Person, mailbox: Mailbox, kind: str) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    facts = {"at": "2026-11-24T12:34:56+00:00", "ip": "192.0.2.7", "user_agent": agent}
    greeting = "Hello Alice,"
    if kind == Mail.Kind.VERIFICATION:
        User.objects.update(is_verified=False)
        greeting = "Hello,"
    enqueue(Mail.Kind(kind), alice.user.email, facts)
    received = mailbox.last()
    html = received.get_body(("html",))
    assert html is not None
    for body in (mailbox.text(), html.get_content()):
        for fact in (
            "PeerPrep",
            greeting,
            "2026-11-24 12:34:56 UTC",
            "192.0.2.7",
            "Firefox on Linux",
            "If this wasn't you",
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
        assert (deliver_due().total(), deliver_due().total()) == (1, 0)
        waiting = Mail.objects.get()
        assert (waiting.state, waiting.tries) == (Mail.State.QUEUED, 1)
        assert waiting.error.endswith(f"nothing listens at 127.0.0.1:{settings.EMAIL_PORT}.")
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
    ("answers", "state"),
    [
        ({"RCPT": "550 no such user"}, Mail.State.DEAD),
        ({"RCPT": "450 try later"}, Mail.State.QUEUED),
        ({"MAIL": "553 not from there"}, Mail.State.DEAD),
        ({"MAIL": "530 sign in first"}, Mail.State.QUEUED),
        ({"content": "554 spam"}, Mail.State.DEAD),
        ({"content": "451 try later"}, Mail.State.QUEUED),
        ({"greeting": "554 nothing from you"}, Mail.State.QUEUED),
        ({"content": HANG_UP}, Mail.State.QUEUED),
    ],
)
def test_only_a_mail_that_is_refused_for_good_is_dead_at_once(
    alice: Person, mailbox: Mailbox, settings: Any, answers: dict[str, str], state: str
) -> None:
    changed()
    with scripted(**answers) as server:
        settings.EMAIL_PORT = server.port
        deliver_due()
    refused = Mail.objects.get()
    assert (refused.state, refused.tries, bool(refused.facts)) == (state, 1, state == Mail.State.QUEUED)
    assert str(server.port) in refused.error


def test_each_failure_is_kept_with_its_time(alice: Person, mailbox: Mailbox, settings: Any) -> None:
    changed()
    for answer in ("451 first", "451 second"):
        with scripted(content=answer) as server:
            settings.EMAIL_PORT = server.port
            Mail.objects.update(due_at=timezone.now())
            deliver_due()
    lines = Mail.objects.get().error.splitlines()
    assert [("first" in line, "second" in line) for line in lines] == [(True, False), (False, True)]
    assert all(line.startswith(f"{timezone.now():%Y-%m-%d}") for line in lines)


@pytest.mark.parametrize("kind", [Mail.Kind.VERIFICATION, Mail.Kind.RESET_CODE])
def test_a_refusal_that_quotes_the_mail_is_kept_without_its_secret(
    unverified: Person, mailbox: Mailbox, settings: Any, kind: Mail.Kind, caplog: pytest.LogCaptureFixture
) -> None:
    enqueue(kind, unverified.user.email, FACTS)
    secret = verification_token(unverified.user) if kind == Mail.Kind.VERIFICATION else "042117"
    with scripted(content=f"554 spam: http://localhost/verify-email?token={secret} or {secret}") as server:
        settings.EMAIL_PORT = server.port
        deliver_due()
    kept = Mail.objects.get().error + "".join(str(record.__dict__) for record in caplog.records)
    assert "554" in kept and f"token={secret}" not in kept and "042117" not in kept


@pytest.mark.slow
@pytest.mark.parametrize("goodbye", [SILENCE, HANG_UP, "500 what?", "221 " + "x" * 9000], ids=lambda said: said[:9])
def test_a_mail_that_was_taken_is_sent_however_the_server_says_goodbye(
    alice: Person, mailbox: Mailbox, settings: Any, goodbye: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_TIMEOUT = 2
    changed()
    with scripted(QUIT=goodbye) as server:
        settings.EMAIL_PORT = server.port
        deliver_due()
    assert (Mail.objects.get().state, len(server.contents)) == (Mail.State.SENT, 1)
    assert not [record for record in caplog.records if record.name == "accounts.mail.queue"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["greeting", "EHLO", "MAIL", "content"])
def test_a_server_that_dribbles_is_cut_off(alice: Person, mailbox: Mailbox, settings: Any, command: str) -> None:
    settings.EMAIL_TIMEOUT = 0.2
    changed()
    with scripted(**{command: DRIBBLE}) as server:
        settings.EMAIL_PORT = server.port
        deliver_due()
    waiting = Mail.objects.get()
    assert (waiting.state, waiting.tries) == (Mail.State.QUEUED, 1)
    assert "did not answer within 0.2 s" in waiting.error


def test_a_mail_whose_senders_all_died_is_dead_and_stops_none_behind_it(alice: Person, mailbox: Mailbox) -> None:
    changed()
    for _ in range(6):
        assert Mail.objects.claim()
        Mail.objects.update(due_at=timezone.now())
    enqueue(Mail.Kind.PASSWORD_CHANGED, alice.user.email, FACTS)
    assert len(mailbox.all()) == 1
    dead = Mail.objects.get(state=Mail.State.DEAD)
    assert "the sender died" in dead.error and dead.facts == {}


def test_a_code_that_could_not_be_sent_voids_none(alice: Person, mailbox: Mailbox, settings: Any) -> None:
    enqueue(Mail.Kind.RESET_CODE, alice.user.email, FACTS)
    code = mailbox.code()
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        enqueue(Mail.Kind.RESET_CODE, alice.user.email, FACTS)
        settings.EMAIL_PORT = free_port()
        assert deliver_due().total() == 1
        body = {"email": alice.user.email, "code": code}
        assert alice.api.post("/auth/verify-reset-code", body).json() == {"ok": True}


@pytest.mark.parametrize(("late", "state"), [(timedelta(minutes=9), "sent"), (timedelta(minutes=11), "dropped")])
def test_a_code_is_not_sent_once_it_would_have_expired(
    alice: Person, mailbox: Mailbox, late: timedelta, state: str
) -> None:
    enqueue(Mail.Kind.RESET_CODE, alice.user.email, FACTS)
    with time_machine.travel(timezone.now() + late):
        assert len(mailbox.all()) == (state == "sent")
    assert (Mail.objects.get().state, Mail.objects.get().facts) == (state, {})


def test_a_mail_keeps_its_id_over_its_tries_and_a_new_code_is_a_new_mail(
    alice: Person, mailbox: Mailbox, settings: Any
) -> None:
    working = settings.EMAIL_PORT
    for kind, alike in ((Mail.Kind.PASSWORD_CHANGED, True), (Mail.Kind.RESET_CODE, False)):
        enqueue(kind, alice.user.email, FACTS)
        with scripted(content=HANG_UP) as server:  # which has the mail, but never said so
            settings.EMAIL_PORT = server.port
            deliver_due()
        first = message_from_bytes(server.contents[0])
        Mail.objects.update(due_at=timezone.now())
        settings.EMAIL_PORT = working
        assert (mailbox.last()["Message-ID"] == first["Message-ID"]) is alike


def test_several_senders_never_send_one_mail_twice(alice: Person, mailbox: Mailbox, together: Together) -> None:
    Mail.objects.bulk_create(Mail(kind=Mail.Kind.PASSWORD_CHANGED, to=alice.user.email) for _ in range(40))
    assert sum(together(lambda _: deliver_due().total(), 4)) == 40
    assert len(mailbox.sink.received) == 40


def test_a_sender_that_died_loses_nothing(alice: Person, mailbox: Mailbox) -> None:
    changed()
    assert Mail.objects.claim() is not None
    assert not mailbox.all()
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        assert len(mailbox.all()) == 1


def test_a_sender_that_comes_too_late_neither_sends_nor_stores_an_outcome(alice: Person, mailbox: Mailbox) -> None:
    changed()
    stalled = Mail.objects.claim()
    assert stalled is not None
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        assert Mail.objects.claim() is not None  # another sender's, which is sending it now
        deliver(stalled)
        assert not Mail.objects.fail(stalled, "too late", for_good=True)
    assert not mailbox.sink.received
    assert (Mail.objects.get().state, Mail.objects.get().error) == (Mail.State.QUEUED, "")


def test_a_worker_does_not_wait_for_its_interval_to_deliver_what_is_queued(
    mailbox: Mailbox, transactional_db: None
) -> None:
    person("alice@example.com")
    worker = Worker([Job("deliver mail", 3600.0, deliver_due, at_once=True)])
    worker.start()
    try:
        with transaction.atomic():
            changed()
        wait_until(lambda: Mail.objects.get().state == Mail.State.SENT)
    finally:
        worker.stop(PATIENCE)
    assert len(mailbox.sink.received) == 1


@pytest.mark.slow
def test_a_turn_of_the_worker_ends_though_more_is_due(alice: Person, mailbox: Mailbox) -> None:
    for _ in range(3):
        changed()
    mailbox.sink.pause = 0.2
    assert deliver_due(Turn(0.1)).total() == 1
    assert deliver_due().total() == 2


def test_the_command_delivers_once_and_says_what_became_of_each(alice: Person, mailbox: Mailbox, settings: Any) -> None:
    changed()
    changed("x@example.com")
    none_failed = "Mails sent: 1, dropped: 1, to be tried again: 0, dead: 0.\n"
    assert reported("deliver_mail") == (none_failed, 0)
    assert len(mailbox.sink.received) == 1
    changed()
    Mail.objects.create(kind=Mail.Kind.PASSWORD_CHANGED, to=alice.user.email, tries=TRIES - 1)
    settings.EMAIL_PORT = free_port()
    assert reported("deliver_mail") == ("Mails sent: 0, dropped: 0, to be tried again: 1, dead: 1.\n", 1)
