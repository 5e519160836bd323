"""What operators see of mail and do about it: the admin site, metrics, readiness details, a test mail."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client as Browser
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from accounts.mail.queue import circumstances, deliver_due, enqueue
from accounts.models import AuditEntry, Mail
from conftest import Api, Mailbox, Person
from core.client import Client
from core.tests.commands import reported
from core.tests.failures import raising
from core.tests.servers import free_port
from core.tests.smtp import HANG_UP, SILENCE, scripted

FACTS = circumstances(Client(ip="192.0.2.7", user_agent="curl/8.0"))
MAILS = "/admin/accounts/mail/"


def die(kind: Mail.Kind, to: str, settings: Any) -> Mail:
    """A mail that the server has refused for good."""
    enqueue(kind, to, FACTS)
    working = settings.EMAIL_PORT
    with scripted(RCPT="550 no such mailbox") as server:
        settings.EMAIL_PORT = server.port
        deliver_due()
    settings.EMAIL_PORT = working
    return Mail.objects.get(state=Mail.State.DEAD)


def resend(browser: Browser) -> str:
    chosen = [str(each) for each in Mail.objects.values_list("pk", flat=True)]
    fields = {"action": "resend", "_selected_action": chosen}
    asked = str(browser.post(MAILS, fields, follow=True).content.decode())
    if "Left as they are" in asked:
        return asked
    assert (
        "A mail that is dead is queued again, and tried" in asked
        and not AuditEntry.objects.filter(reason="mended").exists()
    )
    answer = browser.post(MAILS, {**fields, "confirmed": "yes", "reason": "mended"}, follow=True)
    return str(answer.content.decode())


# --- The admin site -------------------------------------------------------------------------------------------------


def test_the_list_says_why_a_mail_failed(browser: Browser, alice: Person, mailbox: Mailbox, settings: Any) -> None:
    dead = die(Mail.Kind.PASSWORD_CHANGED, alice.user.email, settings)
    for path in (MAILS, f"{MAILS}{dead.pk}/change/"):
        assert "no such mailbox" in browser.get(path).content.decode()


@pytest.mark.parametrize("outcome", ["queued", "failing", "dead", ""])
def test_the_list_is_filtered_by_outcome(browser: Browser, alice: Person, outcome: str) -> None:
    for state in Mail.State.values:
        Mail.objects.create(kind=Mail.Kind.VERIFICATION, to=alice.user.email, state=state)
    Mail.objects.create(kind=Mail.Kind.VERIFICATION, to=alice.user.email, error="a failure")
    shown = browser.get(f"{MAILS}?outcome={outcome}").context["cl"].queryset
    assert shown.count() == {"": 5, "queued": 2}.get(outcome, 1)


def test_a_dead_mail_is_sent_again_and_that_is_logged(
    browser: Browser, alice: Person, mailbox: Mailbox, settings: Any
) -> None:
    dead = die(Mail.Kind.PASSWORD_CHANGED, alice.user.email, settings)
    assert dead.facts == {}
    assert "Queued again: 1." in resend(browser)
    assert "password for your account was changed" in mailbox.text()
    dead.refresh_from_db()
    assert (dead.state, dead.tries) == (Mail.State.SENT, 1)
    entry = AuditEntry.objects.get()
    assert (entry.kind, entry.address) == ("mail_resent", "a***@example.com")
    assert (entry.actor_name, entry.reason) == ("root@example.com", "mended")
    assert entry.facts == {"mail": str(dead.pk), "of": "password_changed"}


def test_a_dead_code_is_sent_again_only_while_somebody_waits_for_it(
    browser: Browser, alice: Person, mailbox: Mailbox, settings: Any
) -> None:
    dead = die(Mail.Kind.RESET_CODE, alice.user.email, settings)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert "Left as they are: 1" in resend(browser)
        another = f'/admin/accounts/user/{alice.user.pk}/send_reset_code/confirm/">Send again</a>'
        for page in (MAILS, f"{MAILS}{dead.pk}/change/"):
            assert another in browser.get(page).content.decode()
    assert Mail.objects.get().state == Mail.State.DEAD
    assert "Queued again: 1." in resend(browser)
    assert mailbox.code()


@pytest.mark.parametrize("state", [Mail.State.QUEUED, Mail.State.SENT, Mail.State.DROPPED])
def test_no_other_mail_is_sent_again(browser: Browser, alice: Person, mailbox: Mailbox, state: Mail.State) -> None:
    later = timezone.now() + timedelta(minutes=1)
    Mail.objects.create(kind=Mail.Kind.PASSWORD_CHANGED, to=alice.user.email, state=state, due_at=later)
    assert "Left as they are: 1" in resend(browser)
    assert not mailbox.all()
    assert not AuditEntry.objects.exists()


# --- Readiness details and metrics ----------------------------------------------------------------------------------


def samples(api: Api) -> dict[tuple[str, ...], float]:
    answer = api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.content.decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_they_count_mails_and_tell_how_long_the_oldest_has_waited(api: Api, db: None) -> None:
    now = timezone.now()
    for state, minutes in (("queued", 3), ("queued", 2), ("sent", 9), ("dead", 9)):
        Mail.objects.create(
            kind=Mail.Kind.VERIFICATION, to="una@example.com", state=state, created_at=now - timedelta(minutes=minutes)
        )
    with time_machine.travel(now, tick=False):
        found = samples(api)
        details = api.get("/readyz/details").json()
    assert found[("outbox_oldest_undelivered_seconds", "mails")] == 180
    counts = {state: found[("outbox_rows", "mails", state)] for state in Mail.State.values}
    assert counts == {"queued": 2, "sent": 1, "dropped": 0, "dead": 1}
    assert details == {"ok": True, "undelivered": {"mails": {"waiting": 2, "oldest_seconds": 180.0}}}


def test_they_tell_when_nothing_waits(api: Api, db: None) -> None:
    assert samples(api)[("outbox_oldest_undelivered_seconds", "mails")] == 0
    details = {"ok": True, "undelivered": {"mails": {"waiting": 0, "oldest_seconds": 0.0}}}
    assert api.get("/readyz/details").json() == details
    assert api.get("/readyz").json() == {"ok": True}


def test_details_are_503_without_a_database(api: Api, db: None) -> None:
    with connection.execute_wrapper(raising(OperationalError("down"))):
        answer = api.get("/readyz/details")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


# --- The test mail --------------------------------------------------------------------------------------------------


def test_mail_says_how_it_was_sent(mailbox: Mailbox, settings: Any) -> None:
    out, progress = StringIO(), StringIO()
    call_command("send_test_mail", "ops@example.com", stdout=out, stderr=progress)
    assert f"127.0.0.1:{mailbox.port} with no TLS, without authentication" in progress.getvalue()
    assert out.getvalue().startswith("The server accepted it.")
    assert mailbox.sink.received[0]["To"] == "ops@example.com"
    settings.EMAIL_PORT = free_port()
    said, code = reported("send_test_mail", "ops@example.com")
    assert "nothing listens at" in said and code == 1


def complaint() -> str:
    said, code = reported("send_test_mail", "ops@example.com", "--json")
    document = json.loads(said)
    assert (document["ok"], code) == (False, 1)
    return str(document["verdict"])


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"greeting": SILENCE}, "did not answer within"),
        ({"greeting": HANG_UP}, "closed the connection"),
        ({"greeting": "554 go away"}, "refuses connections from this host"),
        ({"MAIL": "550 not you"}, "MAIL_FROM: "),
        ({"MAIL": "550 not you"}, "<no-reply@peerprep.localhost>: 550 not you"),
        ({"MAIL": "530 who are you"}, "requires authentication"),
        ({"RCPT": "550 unknown"}, "does not accept mail for this address: 550 unknown"),
        ({"content": "554 spam"}, "does not accept this mail: 554 spam"),
        ({"content": HANG_UP}, "closed the connection"),
    ],
)
def test_it_says_what_the_server_objects_to(
    mailbox: Mailbox, settings: Any, answers: dict[str, str], said: str
) -> None:
    settings.EMAIL_TIMEOUT = 0.2
    with scripted(**answers) as server:
        settings.EMAIL_PORT = server.port
        assert said in complaint()


def test_it_says_what_is_wrong_with_the_settings(mailbox: Mailbox, settings: Any) -> None:
    with pytest.raises(CommandError, match="enter a valid e-mail address"):
        call_command("send_test_mail", "ops")
    settings.EMAIL_USE_TLS = True
    assert complaint() == f"MAIL_STARTTLS: 127.0.0.1:{mailbox.port} does not offer it."
    settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = False, True
    assert "MAIL_SSL_TLS: TLS with" in complaint()
    settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "ops", "the-password"
    assert "USE_CREDENTIALS: " in complaint() and "the-password" not in complaint()
    settings.EMAIL_PORT = free_port()
    assert complaint() == f"MAIL_SERVER, MAIL_PORT: nothing listens at 127.0.0.1:{settings.EMAIL_PORT}."
    for host in ("no-such-host.invalid", "a..b"):
        settings.EMAIL_HOST = host
        assert "MAIL_SERVER: " in complaint() and host in complaint()
    settings.EMAIL_HOST = ""
    with pytest.raises(CommandError, match="MAIL_SERVER is not set"):
        call_command("send_test_mail", "ops@example.com")
