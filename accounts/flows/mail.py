"""Mail: queued with the change that causes it, delivered from the queue by whichever sender takes it first."""

import logging
import random
import smtplib
import threading
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, close_old_connections, connection, transaction
from django.utils import timezone

from accounts import mails
from accounts.leases import Busy, lease
from accounts.models import Mail
from peerprep_users.clients import Client

log = logging.getLogger(__name__)

HOURLY_LIMIT = 5
TRIES = 6
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
PERMANENT = 500
CLAIM = timedelta(minutes=2)  # longer than any delivery takes: each step of it times out after 10 s

waiting = threading.Event()  # set when this process has just queued a mail


def circumstances(client: Client) -> dict[str, Any]:
    """When, from where and with what: the facts that let a person judge whether it was them."""
    return {"at": timezone.now().isoformat(), "ip": client.ip, "user_agent": client.user_agent}


def queue(kind: Mail.Kind, to: str, facts: dict[str, Any]) -> None:
    """Queues a mail in the caller's transaction: it is sent exactly when the change that caused it happens."""
    Mail.objects.create(kind=kind, to=to, facts=facts)
    transaction.on_commit(waiting.set)


def queue_on_demand(kind: Mail.Kind, to: str, client: Client, *, pause: timedelta = timedelta(0)) -> None:
    """Queues a mail that anybody can ask for, unless enough were. Of several who ask at once, one is heard."""
    try:
        with lease(f"{kind}:{to}", wait=0):
            if not asked_often(kind, to, pause=pause):
                queue(kind, to, circumstances(client))
    except Busy:
        return


def asked_often(kind: Mail.Kind, to: str, *, pause: timedelta) -> bool:
    """Whether enough mails of this kind were asked for an address: five within the hour, or one within `pause`."""
    now = timezone.now()
    lately = Mail.objects.filter(to=to, kind=kind, created_at__gt=now - timedelta(hours=1)).order_by("-created_at")
    times = list(lately.values_list("created_at", flat=True)[:HOURLY_LIMIT])
    return len(times) == HOURLY_LIMIT or (bool(times) and times[0] > now - pause)


def deliver_due() -> int:
    """Delivers what is due. Returns how many mails were taken, delivered or not."""
    taken = 0
    while (mail := claim()) is not None:
        deliver(mail)
        taken += 1
    return taken


def claim() -> Mail | None:
    """Takes the next mail for this sender. Another one may try it only once the claim has run out."""
    due = Mail.objects.filter(state=Mail.State.QUEUED, due_at__lte=timezone.now()).order_by("due_at")
    if not due.exists():
        return None  # the usual case, found without a transaction
    with transaction.atomic():
        mail = due.select_for_update(skip_locked=True).first()
        if mail is not None:
            mail.tries += 1
            mail.due_at = timezone.now() + CLAIM
            mail.save(update_fields=["tries", "due_at"])
    return mail


def deliver(mail: Mail) -> None:
    try:
        message = mails.compose(mail)
        if message is None:
            settle(mail, state=Mail.State.DROPPED)
            return
        message.send()
        settle(mail, state=Mail.State.SENT, sent_at=timezone.now())
    except DatabaseError:
        raise  # the claim runs out, and the mail is tried again
    except Exception as exc:  # noqa: BLE001 - whatever it was, the mail must not be lost, nor stop those behind it
        log.warning("A mail could not be delivered", extra={"mail": str(mail.pk), "error": reason(exc)})
        dead = mail.tries >= TRIES or is_permanent(exc)
        state = Mail.State.DEAD if dead else Mail.State.QUEUED
        settle(mail, state=state, due_at=next_try(mail.tries), error=reason(exc))


def settle(mail: Mail, **changes: Any) -> None:
    """Notes what became of a mail, unless another sender has taken it since. The facts are wiped once it is over."""
    if changes["state"] != Mail.State.QUEUED:
        changes["facts"] = {}
    Mail.objects.filter(pk=mail.pk, tries=mail.tries, state=Mail.State.QUEUED).update(**changes)


def reason(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"[:500]


def is_permanent(exc: Exception) -> bool:
    """RFC 5321 section 4.2.1: 5yz will not change by trying again. A refused password will, once it is mended."""
    match exc:
        case smtplib.SMTPAuthenticationError():
            return False
        case smtplib.SMTPResponseException():
            return exc.smtp_code >= PERMANENT
        case smtplib.SMTPRecipientsRefused():
            return all(code >= PERMANENT for code, _ in exc.recipients.values())
    return False


def next_try(tries: int) -> datetime:
    """About 30 s × 2ⁿ after the n-th failure, at most an hour, spread so that senders do not come all at once."""
    pause: timedelta = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
    return timezone.now() + pause * random.uniform(0.8, 1.2)  # noqa: S311 - to spread the load


class Sender(threading.Thread):
    """Delivers mail beside the requests of a process, until it is stopped."""

    PAUSE = 1.0  # seconds between two looks at the queue when this process itself queues nothing

    def __init__(self) -> None:
        super().__init__(name="mail-sender", daemon=True)
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            waiting.clear()
            try:
                deliver_due()
            except DatabaseError as exc:
                log.error("The mail queue cannot be read: %s", exc)  # noqa: TRY400 - the next look may succeed
            close_old_connections()
            waiting.wait(self.PAUSE)
        connection.close()

    def stop(self, timeout: float) -> None:
        """Lets a delivery under way finish, for up to `timeout` seconds."""
        self.stopping.set()
        waiting.set()
        self.join(timeout)
