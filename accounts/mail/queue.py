"""Mail is queued with the change that causes it, and delivered from the queue by any sender."""

import logging
import re
import smtplib
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, InternalError, OperationalError, transaction
from django.utils import timezone

from accounts.mail.messages import compose, is_obsolete
from accounts.models import Mail
from core.client import Client
from core.jobs import Turn, new_work
from core.locks import lock_for_transaction
from core.smtp import connected, explained

log = logging.getLogger(__name__)

HOURLY_LIMIT = 5
PAUSES = {Mail.Kind.RESET_CODE: timedelta(minutes=1), Mail.Kind.VERIFICATION: timedelta(0)}
PERMANENT = 500
AUTHENTICATION_REQUIRED = 530
SECRETS = re.compile(r"token=[^\s'\"]+|\b\d{6}\b")  # of links and codes, which a server may quote in its refusal


def circumstances(client: Client) -> dict[str, Any]:
    """When, from where and with what: the facts by which users recognise what they did themselves."""
    return {"at": timezone.now().isoformat(), "ip": client.ip, "user_agent": client.user_agent}


def enqueue(kind: Mail.Kind, to: str, facts: dict[str, Any]) -> None:
    """Queues a mail in the caller's transaction, so that it is sent exactly when the change that caused it happens."""
    Mail.objects.create(kind=kind, to=to, facts=facts)
    transaction.on_commit(new_work.set)


def enqueue_on_demand(kind: Mail.Kind, to: str, facts: dict[str, Any]) -> bool:
    """Queues a mail that anybody can ask for. Requests at once are counted one after the other.

    Returns:
        False if the address has had five of this kind within the hour, or one within the kind's pause.
    """
    with transaction.atomic():
        lock_for_transaction(f"mail:{kind}:{to}")
        now = timezone.now()
        lately = Mail.objects.filter(to=to, kind=kind, created_at__gt=now - timedelta(hours=1)).order_by("-created_at")
        times = list(lately.values_list("created_at", flat=True)[:HOURLY_LIMIT])
        if len(times) == HOURLY_LIMIT or (times and times[0] > now - PAUSES[kind]):
            return False
        enqueue(kind, to, facts)
        return True


def deliver_due(turn: Turn | None = None) -> int:
    """Delivers what is due, until the turn is over. Returns how many mails were taken, delivered or not."""
    taken = 0
    while not (turn and turn.is_over) and (mail := Mail.objects.claim()) is not None:
        deliver(mail)
        taken += 1
    return taken


def deliver(mail: Mail) -> None:
    """Sends a mail, or stores why not.

    It is composed only once the server is ready: a code that is not sent must not void the one sent before.
    """
    try:
        if is_obsolete(mail):
            Mail.objects.finish(mail, Mail.State.DROPPED)
            return
        with connected() as server:
            if not Mail.objects.renew(mail):
                return  # connecting took longer than the claim
            message = compose(mail)
            if message is None:
                Mail.objects.finish(mail, Mail.State.DROPPED)
            else:
                server.send_messages([message])
                Mail.objects.finish(mail, Mail.State.SENT, sent_at=timezone.now())
    except (OperationalError, InterfaceError, InternalError):
        raise  # the claim expires, and the mail is tried again
    except Exception as exc:  # noqa: BLE001 - no failure may lose the mail, or stop those queued behind it
        reason = explained(exc, secrets=SECRETS)
        log.warning("A mail could not be delivered", extra={"mail": str(mail.pk), "error": reason})
        Mail.objects.fail(mail, reason, for_good=is_permanent(exc))


def is_permanent(exc: Exception) -> bool:
    """Whether trying again will not help: RFC 5321 section 4.2.1, on replies of 5yz.

    Only a reply about this mail counts: about its sender, its recipient or its content. A server that refuses the
    connection or the sign-in refuses every mail until an operator has corrected that.
    """
    match exc:
        case smtplib.SMTPSenderRefused() | smtplib.SMTPDataError():
            codes = {exc.smtp_code}
        case smtplib.SMTPRecipientsRefused():
            codes = {code for code, _ in exc.recipients.values()}
        case _:
            return False
    return AUTHENTICATION_REQUIRED not in codes and min(codes) >= PERMANENT
