"""An outbox: rows written in the transaction of the change that causes them, and sent afterwards.

A table of such rows is a queue that several senders, on any number of hosts, share. Each row is sent at least once: it
is sent again where a sender died, or lost its connection, before it could store the outcome.
"""

from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Self, TypeVar

from django.db import models, transaction
from django.db.models import Min
from django.utils import timezone

from core.estimates import count_or_estimate
from core.times import moment

TRIES = 6
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
RECENT = timedelta(hours=1)
CLAIM_LENGTH = timedelta(minutes=2)  # a sender that has not finished by then has died

RowT = TypeVar("RowT", bound=models.Model)
OutgoingT = TypeVar("OutgoingT", bound="Outgoing")


class OutboxQuerySet(models.QuerySet[RowT]):
    """Rows that leave, and have the time of their creation in `created_at`."""

    def waiting(self) -> Self:
        return self.all()

    def counts(self) -> dict[str, int]:
        """How many there are, by state; of many, about."""
        return {Outgoing.State.QUEUED.value: count_or_estimate(self.waiting()).value}

    def oldest_age(self) -> float:
        """For how many seconds the oldest row has been queued; 0 where none is."""
        began = self.began()
        return max(0.0, (timezone.now() - began).total_seconds()) if began else 0.0

    def began(self) -> datetime | None:
        """When the oldest was queued."""
        oldest: datetime | None = self.waiting().aggregate(Min("created_at"))["created_at__min"]
        return oldest


class OutgoingQuerySet(OutboxQuerySet[OutgoingT]):
    def waiting(self) -> Self:
        return self.filter(state=Outgoing.State.QUEUED)

    def claim(self) -> OutgoingT | None:
        """Takes the next row that is due. No other sender gets it before the claim has expired."""
        due = self.waiting().filter(due_at__lte=timezone.now()).order_by("due_at")
        if not due.exists():
            return None  # the usual case, which needs no transaction
        with transaction.atomic():
            row = due.select_for_update(skip_locked=True).first()
            if row is None:
                return None
            row.tries += 1
            row.due_at = timezone.now() + CLAIM_LENGTH
            row.save(update_fields=["tries", "due_at"])
        if row.tries <= TRIES:
            return row
        self.fail(row, "Each try ended without a result: the sender died, or the database failed.", for_good=True)
        return self.claim()

    def renew(self, row: OutgoingT) -> bool:
        """Extends a claim to its full length from now; False where it has expired and another sender has the row."""
        until = timezone.now() + CLAIM_LENGTH
        if not self.claimed(row).update(due_at=until):
            return False
        row.due_at = until
        return True

    def claimed(self, row: OutgoingT) -> Self:
        """The row, while the claim is still this sender's. The claim's end is its fence: every claim has another."""
        return self.waiting().filter(pk=row.pk, due_at=row.due_at)

    def finish(self, row: OutgoingT, state: "Outgoing.State", **changes: Any) -> bool:
        """Stores the outcome of a row and wipes its facts; False where another sender has claimed it since."""
        return bool(self.claimed(row).update(state=state, facts={}, **changes))

    def fail(self, row: OutgoingT, reason: str, *, for_good: bool) -> bool:
        """Stores why a try failed and when the next one is. After the last one, or `for_good`, the row is dead."""
        error = f"{row.error}\n{moment(timezone.now())} {reason}".strip()
        if for_good or row.tries >= TRIES:
            return self.finish(row, Outgoing.State.DEAD, error=error)
        return bool(self.claimed(row).update(error=error, due_at=next_try(row.tries)))

    def revive(self) -> int:
        """Queues the dead ones of these rows again, with their tries back at zero. Returns how many."""
        dead = self.filter(state=Outgoing.State.DEAD)
        return dead.update(state=Outgoing.State.QUEUED, tries=0, due_at=timezone.now())

    def counts(self) -> dict[str, int]:
        """How many are queued, dead, and of the last hour sent or dropped: counting all of those would take long."""
        recent = self.filter(created_at__gt=timezone.now() - RECENT)
        lasting = (Outgoing.State.QUEUED, Outgoing.State.DEAD)
        return {
            state.value: count_or_estimate((self if state in lasting else recent).filter(state=state)).value
            for state in Outgoing.State
        }


class Outgoing(models.Model):
    """A message to be sent: its facts, and what has become of it."""

    class State(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        DROPPED = "dropped"  # no recipient, or nothing left to say
        DEAD = "dead"

    facts = models.JSONField(default=dict)
    state = models.CharField(max_length=7, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)  # of a claimed row, when the claim ends
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)  # a line for each failure
    sent_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def last_error(self) -> str:
        """The last failure, as a sentence."""
        line = self.error.rpartition("\n")[2]
        return line and f"{line.rstrip('.')}."


def next_try(tries: int) -> datetime:
    """30 s after the first failure, doubled with each further one, at most an hour; ± 20 %, to spread the load."""
    pause: timedelta = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
    return timezone.now() + pause * SystemRandom().uniform(0.8, 1.2)
