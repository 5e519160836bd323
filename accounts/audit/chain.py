"""The audit trail's chain: joining what was written, and pruning what is too old.

Entries are written unchained, so that whoever writes one waits for nobody. Whoever chains holds the head; a second one
passes by. The head is logged with each batch: logs that are kept elsewhere show that a tail was cut off.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from django.db import transaction
from django.db.models import Min, QuerySet
from django.utils import timezone

from accounts.audit.log import Actor, Kind, record
from accounts.audit.models import sign
from accounts.models import AuditEntry, AuditHead
from core.errors import ApiError

log = logging.getLogger(__name__)

BATCH = 500
RETENTION = timedelta(days=366)  # the database, whose clock may be another, refuses below 365


@dataclass(frozen=True, slots=True)
class Link:
    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"

    @classmethod
    def of(cls, noted: str) -> Self:
        position, _, hash_ = noted.partition(":")
        return cls(int(position or 0), hash_)


def chained() -> QuerySet[AuditEntry]:
    return AuditEntry.objects.exclude(position=None)


# --- Chaining -------------------------------------------------------------------------------------------------------


def chain_entries() -> int:
    """Joins what is not chained yet, in batches. Returns how many entries it joined itself."""
    joined = 0
    while AuditEntry.objects.filter(position=None).exists() and (batch := chain_batch()):
        joined += batch
    return joined


def chain_batch() -> int:
    with transaction.atomic():
        head = held_head()
        if head is None:
            return 0
        # Nothing else is read: what cannot be read is chained all the same, and named by whoever verifies.
        fresh = AuditEntry.objects.filter(position=None).order_by("id").only("position", "seal", "hash")
        # An entry that the deletion of an account is erasing just now is for the next batch.
        entries = list(fresh.select_for_update(skip_locked=True)[:BATCH])
        for entry in entries:
            entry.position = head.position = head.position + 1
            entry.hash = head.hash = sign("chain", entry.link(head.hash))
        AuditEntry.objects.bulk_update(entries, ["position", "hash"])
        head.save(update_fields=["position", "hash"])
    if entries:
        log.info("The audit trail was chained", extra={"head": str(head)})
    return len(entries)


def held_head() -> AuditHead | None:
    """The head, held until the transaction ends; None where somebody else holds it, or where it is gone.

    A migration makes it, and nothing makes it anew but an operator: it would hide that the trail was emptied.
    """
    head = AuditHead.objects.select_for_update(skip_locked=True).first()
    if head is None and not AuditHead.objects.exists():
        log.error("The audit trail is not chained: its head is missing")
    return head


class HeadIsThere(ApiError):
    status = 409
    code = "head_is_there"
    detail = "The head of the audit trail is there. Nothing was done."


def restart(*, by: Actor, reason: str) -> Link:
    """Makes a head where it is missing, at the last entry that was chained, and writes an entry that says so.

    Raises:
        HeadIsThere.
    """
    with transaction.atomic():
        if AuditHead.objects.exists():
            raise HeadIsThere
        last = chained().only("position", "hash").order_by("position").last()
        head = Link(last.position or 0, last.hash) if last else Link(0, "")
        AuditHead.objects.create(position=head.position, hash=head.hash)
        record(Kind.TRAIL_RESTARTED, by=by, reason=reason, position=head.position)
    return head


# --- Pruning --------------------------------------------------------------------------------------------------------


def outdated() -> QuerySet[AuditEntry]:
    """The entries before the first one that is young enough to be kept."""
    young = chained().filter(occurred_at__gt=timezone.now() - RETENTION)
    first = young.aggregate(first=Min("position"))["first"]
    return chained() if first is None else chained().filter(position__lt=first)


def prune() -> Iterator[int]:
    """Deletes the outdated entries, a batch at a time, and yields the size of each."""
    while batch := prune_batch():
        yield batch


def prune_batch() -> int:
    """Deletes the first of what is outdated, and writes an entry that says up to where."""
    with transaction.atomic():
        rows = (
            list(outdated().order_by("position")[:BATCH].values_list("pk", "position", "hash")) if held_head() else []
        )
        if rows:
            chosen = AuditEntry.objects.filter(pk__in=[row[0] for row in rows])
            list(chosen.select_for_update().order_by("pk").values_list("pk"))  # in the order in which they are erased
            chosen.delete()
            record(Kind.TRAIL_PRUNED, by=Actor.service(), position=rows[-1][1], hash=rows[-1][2], entries=len(rows))
        return len(rows)
