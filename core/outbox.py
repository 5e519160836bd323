"""An outbox: rows written in the transaction of the change that causes them, which leave the service afterwards.

A table of such rows is a queue that several senders, also on several hosts, work off together. Each row leaves at least
once: it is sent again where a sender died, or lost its connection, before it could note what had become of the row.
"""

import random
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from django.db import models, transaction
from django.db.models import Count, Min
from django.utils import timezone

TRIES = 6
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
RECENT = timedelta(hours=1)
CLAIM = timedelta(minutes=2)  # a sender that is silent for so long has died

Row = TypeVar("Row", bound="Outgoing")


class OutgoingQuerySet(models.QuerySet[Row]):
    def waiting(self) -> Self:
        return self.filter(state=Outgoing.State.QUEUED)

    def claim(self) -> Row | None:
        """Takes the next row that is due. Another sender may have it only once the claim has run out."""
        due = self.waiting().filter(due_at__lte=timezone.now()).order_by("due_at")
        if not due.exists():
            return None  # the usual case, found without a transaction
        with transaction.atomic():
            row = due.select_for_update(skip_locked=True).first()
            if row is None:
                return None
            row.tries += 1
            row.due_at = timezone.now() + CLAIM
            row.save(update_fields=["tries", "due_at"])
        if row.tries <= TRIES:
            return row
        self.fail(row, "Each try ended without a result: the sender died, or the database failed.", for_good=True)
        return self.claim()

    def renew(self, row: Row) -> bool:
        """Makes a claim last its full time from now on; False where it has run out and another sender has the row."""
        until = timezone.now() + CLAIM
        if not self.held(row).update(due_at=until):
            return False
        row.due_at = until
        return True

    def held(self, row: Row) -> Self:
        """The row, as long as the claim is this sender's: each claim has an end of its own."""
        return self.waiting().filter(pk=row.pk, due_at=row.due_at)

    def settle(self, row: Row, state: "Outgoing.State", **changes: Any) -> bool:
        """Notes that a row is through, and wipes its facts; False where another sender has it since."""
        return bool(self.held(row).update(state=state, facts={}, **changes))

    def fail(self, row: Row, reason: str, *, for_good: bool) -> bool:
        """Notes why a try failed, and when the next one is. After the last one, or `for_good`, the row is dead."""
        error = f"{row.error}\n{timezone.now():%Y-%m-%d %H:%M:%S} {reason}".strip()
        if for_good or row.tries >= TRIES:
            return self.settle(row, Outgoing.State.DEAD, error=error)
        return bool(self.held(row).update(error=error, due_at=next_try(row.tries)))

    def revive(self) -> int:
        """Puts the dead of these rows back into the queue, with all their tries before them. Returns how many."""
        dead = self.filter(state=Outgoing.State.DEAD)
        return dead.update(state=Outgoing.State.QUEUED, tries=0, due_at=timezone.now())

    def counts(self) -> dict[str, int]:
        """How many wait, how many are dead, and how many of the last hour are through: of all, it would take long."""
        through = (Outgoing.State.SENT, Outgoing.State.DROPPED)
        recent = self.filter(state__in=through, created_at__gt=timezone.now() - RECENT)
        found = dict.fromkeys(Outgoing.State.values, 0)
        for rows in (self.waiting(), self.filter(state=Outgoing.State.DEAD), recent):
            found |= rows.order_by().values_list("state").annotate(Count("pk"))
        return found

    def oldest_age(self) -> float:
        """For how many seconds the oldest row has been waiting; 0 where none is."""
        oldest: datetime | None = self.waiting().aggregate(Min("created_at"))["created_at__min"]
        return max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0.0


class Outgoing(models.Model):
    """Something that is to leave the service: its facts, and how far it has got."""

    class State(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        DROPPED = "dropped"  # nobody to send it to, or nothing left to say
        DEAD = "dead"

    facts = models.JSONField(default=dict)
    state = models.CharField(max_length=7, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)  # while it is being sent, when another sender may try
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)  # a line for each failure
    sent_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


def next_try(tries: int) -> datetime:
    """About 30 s × 2ⁿ after the n-th failure, at most an hour, spread so that senders do not come all at once."""
    pause: timedelta = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
    return timezone.now() + pause * random.uniform(0.8, 1.2)  # noqa: S311 - to spread the load
