"""Mail is queued with the change that causes it, and delivered from the queue by any sender."""

import logging
import re
import smtplib
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import InterfaceError, InternalError, OperationalError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.addresses import masked
from accounts.mail.messages import addressee, compose, is_obsolete
from accounts.metrics import MAILS_WITHHELD
from accounts.models import Mail, User
from core.client import Client
from core.jobs import Turn, new_work
from core.rate_limits import count_in_database
from core.smtp import connected, explained

log = logging.getLogger(__name__)


class Bound(NamedTuple):
    """How many mails of some kinds an address gets, in a time that begins with the first of them."""

    name: str
    kinds: Collection[Mail.Kind]
    mails: int
    period: timedelta


HOUR = timedelta(hours=1)
ALL_MAIL = Bound("all", list(Mail.Kind), 10, HOUR)
BOUNDS = (
    Bound("pause", [Mail.Kind.RESET_CODE], 1, timedelta(minutes=1)),
    Bound("exhausted", [Mail.Kind.CODE_EXHAUSTED], 1, HOUR),
    Bound("replayed", [Mail.Kind.TOKEN_REPLAYED], 1, HOUR),
    Bound("on_demand", [Mail.Kind.VERIFICATION, Mail.Kind.RESET_CODE], 5, HOUR),  # anyone can ask for these
    ALL_MAIL,
)
for _bound in BOUNDS:
    MAILS_WITHHELD.labels(_bound.name)

PERMANENT = 500
AUTHENTICATION_REQUIRED = 530
SECRETS = re.compile(r"token=[^\s'\"]+|\b\d{6}\b")  # of links and codes, which a server may quote in its refusal


def circumstances(client: Client) -> dict[str, Any]:
    """When, from where and with what: the facts by which users recognise what they did themselves."""
    return {"at": timezone.now().isoformat(), "ip": client.ip, "user_agent": client.user_agent}


def enqueue(kind: Mail.Kind, to: str, facts: dict[str, Any], bounds: Sequence[Bound] = BOUNDS) -> bool:
    """Queues a mail in the caller's transaction, so that it is sent exactly when the change that caused it happens.

    Returns False, and queues none, where the address has had as many as it gets.
    """
    with transaction.atomic(savepoint=False):
        if exceeded := count_mail(kind, to, bounds):
            MAILS_WITHHELD.labels(exceeded).inc()
            log.warning(
                "A mail was withheld: its address gets no more for now",
                extra={"kind": kind.value, "address": masked(to), "bound": exceeded},
            )
            return False
        Mail.objects.create(kind=kind, to=to, facts=facts)
        transaction.on_commit(new_work.set)
        return True


def count_mail(kind: Mail.Kind, to: str, bounds: Sequence[Bound]) -> str | None:
    """Counts a mail against each bound of its kind. Returns the name of the first one that it exceeds.

    The counts have a keyed hash in place of the address, and outlive its account.
    """
    digest = salted_hmac("accounts.mail-count", to, algorithm="sha256").hexdigest()[:32]
    for bound in bounds:
        if kind in bound.kinds:
            counted = count_in_database(f"mail:{bound.name}:{digest}", bound.period)
            if counted.calls > bound.mails:
                return bound.name
    return None


def deliver_due(turn: Turn | None = None) -> Counter[str]:
    """Delivers what is due, until the turn is over. Returns how many mails are now in which state."""
    states = {}
    while not (turn and turn.is_over) and (mail := Mail.objects.claim()) is not None:
        deliver(mail)
        states[mail.pk] = mail.state
    return Counter(states.values())


def deliver(mail: Mail) -> None:
    """Sends a mail, or stores why not.

    It is composed only once the server is ready: a code that is not sent must not void the one sent before.
    """
    try:
        if is_obsolete(mail, addressee(mail)):
            drop(mail)
            return
        with connected() as server:
            if not Mail.objects.renew(mail):
                return  # connecting took longer than the claim
            message = compose(mail)
            if message is None:
                drop(mail)
            else:
                server.send_messages([message])
                Mail.objects.finish(mail, Mail.State.SENT, sent_at=timezone.now())
    except (OperationalError, InterfaceError, InternalError):
        raise  # the claim expires, and the mail is tried again
    except Exception as exc:  # noqa: BLE001 - no failure may lose the mail, or stop those queued behind it
        reason = explained(exc, secrets=SECRETS)
        log.warning("A mail could not be delivered", extra={"mail": str(mail.pk), "error": reason})
        Mail.objects.fail(mail, reason, for_good=is_permanent(exc))


def drop(mail: Mail) -> None:
    """Ends a mail that has nothing to say. Of an address without an account no row is kept."""
    if User.objects.filter(email=mail.to).exists():
        Mail.objects.finish(mail, Mail.State.DROPPED)
    else:
        Mail.objects.claimed(mail).delete()
        mail.state = Mail.State.DROPPED


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
