"""The queue of mails, which several senders share, on any number of hosts.

Each mail is sent at least once: it is sent again where a sender died, or lost its connection, before it could store the
outcome.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Self
from uuid import uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH
from core.estimates import count_or_estimate
from core.outbox import OutboxQuerySet
from core.times import moment

TRIES = 6
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
RECENT = timedelta(hours=1)
CLAIM_LENGTH = timedelta(minutes=2)  # a sender that has not finished by then has died


class MailQuerySet(OutboxQuerySet["Mail"]):
    def waiting(self) -> Self:
        return self.filter(state=Mail.State.QUEUED)

    def claim(self) -> Mail | None:
        """Takes the next mail that is due. No other sender gets it before the claim has expired."""
        due = self.waiting().filter(due_at__lte=timezone.now()).order_by("due_at")
        if not due.exists():
            return None  # the usual case, which needs no transaction
        with transaction.atomic():
            mail = due.select_for_update(skip_locked=True).first()
            if mail is None:
                return None
            mail.tries += 1
            mail.due_at = timezone.now() + CLAIM_LENGTH
            mail.save(update_fields=["tries", "due_at"])
        if mail.tries <= TRIES:
            return mail
        self.fail(mail, "Each try ended without a result: the sender died, or the database failed.", for_good=True)
        return self.claim()

    def renew(self, mail: Mail) -> bool:
        """Extends a claim to its full length from now; False where it has expired and another sender has the mail."""
        until = timezone.now() + CLAIM_LENGTH
        if not self.claimed(mail).update(due_at=until):
            return False
        mail.due_at = until
        return True

    def claimed(self, mail: Mail) -> Self:
        """The mail, while the claim is still this sender's. The claim's end is its fence: every claim has another."""
        return self.waiting().filter(pk=mail.pk, due_at=mail.due_at)

    def finish(self, mail: Mail, state: Mail.State, **changes: Any) -> bool:
        """Stores the outcome of a mail and wipes its facts; False where another sender has claimed it since."""
        mail.state = state
        return bool(self.claimed(mail).update(state=state, facts={}, **changes))

    def fail(self, mail: Mail, reason: str, *, for_good: bool) -> bool:
        """Stores why a try failed and when the next one is. After the last one, or `for_good`, the mail is dead."""
        error = f"{mail.error}\n{moment(timezone.now())} {reason}".strip()
        if for_good or mail.tries >= TRIES:
            return self.finish(mail, Mail.State.DEAD, error=error)
        return bool(self.claimed(mail).update(error=error, due_at=next_try(mail.tries)))

    def revive(self) -> int:
        """Queues the dead ones of these mails again, with their tries back at zero. Returns how many."""
        dead = self.filter(state=Mail.State.DEAD)
        return dead.update(state=Mail.State.QUEUED, tries=0, due_at=timezone.now())

    def counts(self) -> dict[str, int]:
        """How many are queued, dead, and of the last hour sent or dropped: counting all of those would take long."""
        recent = self.filter(created_at__gt=timezone.now() - RECENT)
        lasting = (Mail.State.QUEUED, Mail.State.DEAD)
        return {
            state.value: count_or_estimate((self if state in lasting else recent).filter(state=state)).value
            for state in Mail.State
        }


class Mail(models.Model):
    """A mail to be sent: its kind and its facts, written in the transaction of the change that causes it.

    Its text, with the link or the code, is made only when it is sent, so that no secret is ever stored.
    """

    class Kind(models.TextChoices):
        VERIFICATION = "verification", "Verification link"
        RESET_CODE = "reset_code", "Reset code"
        PASSWORD_CHANGED = "password_changed", "Password changed"
        ACCOUNT_LOCKED = "account_locked", "Account locked"
        NEW_DEVICE = "new_device", "Sign-in on a new device"
        TOKEN_REPLAYED = "token_replayed", "Use on a new device or network"
        CODE_EXHAUSTED = "code_exhausted", "Too many wrong reset codes"

    class State(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        DROPPED = "dropped"  # no recipient, or nothing left to say
        DEAD = "dead"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=Kind)
    to = models.EmailField(max_length=EMAIL_LENGTH)
    facts = models.JSONField(default=dict)
    state = models.CharField(max_length=7, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)  # of a claimed mail, when the claim ends
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)  # a line for each failure
    sent_at = models.DateTimeField(null=True)

    objects = MailQuerySet.as_manager()

    class Meta:
        db_table = "mails"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["queued", "sent", "dropped", "dead"]), name="mails_state"),
        ]
        indexes = [
            # The next one to send; the age of the oldest.
            models.Index(fields=["due_at"], condition=Q(state="queued"), name="mails_due"),
            # How many an address was sent lately; an account's deletion.
            models.Index(fields=["to", "kind", "created_at"], name="mails_to"),
            # The admin site's list, newest first; a day's mails.
            models.Index(fields=["-created_at", "id"], name="mails_newest"),
            # The dead ones.
            models.Index(fields=["-created_at"], condition=Q(state="dead"), name="mails_dead"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.to}"

    @property
    def last_error(self) -> str:
        """The last failure, as a sentence without its time."""
        line = re.sub(r"^[\d :-]{19} UTC ", "", self.error.rpartition("\n")[2])
        return line and f"{line.rstrip('.')}."

    @property
    def is_too_late(self) -> bool:
        """Whether a code would have expired by now, had it been sent when it was asked for."""
        return self.kind == self.Kind.RESET_CODE and self.created_at + settings.RESET_CODE_TTL < timezone.now()


def next_try(tries: int) -> datetime:
    """30 s after the first failure, doubled with each further one, at most an hour; ± 20 %, to spread the load."""
    pause: timedelta = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
    return timezone.now() + pause * SystemRandom().uniform(0.8, 1.2)
