"""How many mails an address gets, which kinds, and that nothing is kept of one without an account."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessFailureLog
from django.utils import timezone

from accounts.audit.log import Actor
from accounts.flows.administration import TooManyMails, send_reset_code
from accounts.mail.queue import circumstances, deliver_due, enqueue
from accounts.models import AuditEntry, LoginGuard, Mail, PasswordReset, User
from conftest import PASSWORD, Api, Mailbox, Person, Together
from core.client import Client
from core.metrics import REGISTRY
from core.models import RateCount

FACTS = circumstances(Client(ip="192.0.2.7", user_agent="curl/8.0"))
STRANGER = {"email": "stranger@example.com", "password": PASSWORD, "name": "Bob, your account was hacked"}


def register() -> Api:
    return Api(Api().post("/auth/register", STRANGER).json()["access_token"])


def ask(call: str, email: str = STRANGER["email"]) -> int:
    status: int = Api().post(f"/auth/{call}", {"email": email}).status_code
    return status


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_deleting_the_account_starts_no_count_over(db: None, mailbox: Mailbox) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(8):
            account = register()
            mailbox.all()
            assert account.delete("/users/me").status_code == 200
        register()
        assert ask("forgot-password") == ask("resend-verification") == 200
        assert len(mailbox.all()) == 5
        clock.shift(timedelta(hours=1))
        assert ask("resend-verification") == 200
        assert len(mailbox.all()) == 6


def test_what_anyone_can_ask_for_leaves_room_for_the_rest(alice: Person, mailbox: Mailbox) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(7):
            clock.shift(timedelta(minutes=1))
            ask("forgot-password", alice.user.email)
            mailbox.all()
        assert len(mailbox.sink.received) == 5
        for _ in range(7):
            enqueue(Mail.Kind.PASSWORD_CHANGED, alice.user.email, FACTS)
        assert len(mailbox.all()) == 10


def test_what_is_withheld_is_logged_and_counted(alice: Person, caplog: pytest.LogCaptureFixture) -> None:
    before = counted("mails_withheld_total", bound="all")
    assert [enqueue(Mail.Kind.NEW_DEVICE, alice.user.email, FACTS) for _ in range(11)] == [True] * 10 + [False]
    (said,) = [record for record in caplog.records if record.name == "accounts.mail.queue"]
    assert "withheld" in said.message and "a***@example.com" in str(said.__dict__)
    assert alice.user.email not in str(said.__dict__)
    assert counted("mails_withheld_total", bound="all") == before + 1


def test_the_counts_do_not_hold_the_address(db: None) -> None:
    ask("forgot-password")
    assert RateCount.objects.count() == 3
    assert not RateCount.objects.filter(name__contains="stranger").exists()


def test_of_twenty_at_once_no_more_are_queued(together: Together) -> None:
    for number in range(5):
        body = {"email": f"user{number}@example.com"}
        together(lambda _, body=body: Api().post("/auth/resend-verification", body))
        assert Mail.objects.filter(to=body["email"]).count() == 5
        together(lambda _, body=body: enqueue(Mail.Kind.ACCOUNT_LOCKED, body["email"], FACTS))
        assert Mail.objects.filter(to=body["email"]).count() == 10


def test_an_unverified_address_gets_links_and_codes_alone(db: None, mailbox: Mailbox) -> None:
    account = register()
    change = {"old_password": PASSWORD, "new_password": "another horse altogether"}
    assert account.put("/users/me", change).status_code == 200
    for _ in range(3):
        Api().post("/auth/login", {**STRANGER, "password": "wrong password"})
    ask("forgot-password")
    mailbox.all()
    assert set(Mail.objects.filter(state=Mail.State.SENT).values_list("kind", flat=True)) == {
        Mail.Kind.VERIFICATION,
        Mail.Kind.RESET_CODE,
    }
    assert len(mailbox.sink.received) == 2


def test_it_is_greeted_by_no_name_until_it_is_verified(db: None, mailbox: Mailbox) -> None:
    register()
    ask("forgot-password")
    assert len(mailbox.all()) == 2
    assert all("hacked" not in str(mail) and "Hello," in str(mail) for mail in mailbox.sink.received)
    User.objects.update(is_verified=True)
    enqueue(Mail.Kind.PASSWORD_CHANGED, STRANGER["email"], FACTS)
    assert f"Hello {STRANGER['name']}," in mailbox.text()


def test_nothing_is_kept_of_an_address_without_an_account(
    db: None, mailbox: Mailbox, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    locks = counted("account_locks_total")
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(4):
            Api().post("/auth/login", {**STRANGER, "password": "wrong password"})
    ask("forgot-password")
    ask("resend-verification")
    assert deliver_due().total() == 2
    assert not any(model.objects.exists() for model in (AccessFailureLog, AuditEntry, Mail))
    assert LoginGuard.objects.get().failures == 3 and PasswordReset.objects.exists()
    (said,) = [record for record in caplog.records if record.name == "accounts.security"]
    assert (said.message, said.__dict__["address"], said.__dict__["ip"]) == (
        "account_locked",
        "s***@example.com",
        "127.0.0.1",
    )
    assert counted("account_locks_total") == locks + 1


def test_a_code_that_is_too_late_is_not_kept_either(db: None) -> None:
    ask("forgot-password")
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert deliver_due().total() == 1
    assert not Mail.objects.exists()


def test_an_admin_may_send_a_code_after_strangers_have_asked_for_theirs(alice: Person, mailbox: Mailbox) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(6):
            Api().post("/auth/forgot-password", {"email": alice.user.email})
            clock.shift(timedelta(minutes=1))
        assert len(mailbox.all()) == 5
        for _ in range(5):
            send_reset_code(user=alice.user, by=Actor.operator())
            clock.shift(timedelta(seconds=1))
        with pytest.raises(TooManyMails):
            send_reset_code(user=alice.user, by=Actor.operator())
        assert len(mailbox.all()) == 10
