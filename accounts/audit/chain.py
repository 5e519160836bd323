"""The chain of the audit trail: linking new entries, and pruning old ones.

The lock on the row of the head keeps two processes from chaining at once: the second skips. Each batch logs the new
head. Logs that are kept elsewhere show whether the end of the chain was cut off.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import Min, QuerySet
from django.utils import timezone

from accounts.audit.log import Actor, Kind, record
from accounts.audit.models import AuditEntry, AuditHead, AuditPersonalData, sign
from core.errors import ApiError
from core.jobs import Turn

log = logging.getLogger(__name__)

CHAIN_BATCH_SIZE = 500
RETENTION = timedelta(days=366)  # the database, whose clock may differ, refuses to delete before 365


def chain_entries(turn: Turn | None = None) -> int:
    """Links the entries that are not chained yet, in batches, until the turn is over. Returns how many."""
    count = 0
    unchained = AuditEntry.objects.filter(position=None)
    while not (turn and turn.is_over) and unchained.exists():
        with transaction.atomic():
            head = lock_head()
            if head is None:
                break
            # No other column is read: an unreadable entry is chained all the same, and `verify` names it.
            fields = ("position", "seal", "hash")
            entries = list(unchained.select_related(None).order_by("id").only(*fields)[:CHAIN_BATCH_SIZE])
            for entry in entries:
                entry.position = head.position = head.position + 1
                entry.hash = head.hash = sign("chain", [head.hash, entry.position, entry.seal])
            AuditEntry.objects.bulk_update(entries, ["position", "hash"])
            head.save(update_fields=["position", "hash"])
        if entries:
            log.info("The audit trail was chained", extra={"head": str(head)})
        count += len(entries)
    return count


def lock_head() -> AuditHead | None:
    """The head, locked until the transaction ends. None if another process holds it, or if it is missing.

    A missing head is never recreated here: that would hide that the trail was emptied. `restart` is for operators.
    """
    head = AuditHead.objects.select_for_update(skip_locked=True).first()
    if head is None and not AuditHead.objects.exists():
        log.error("The audit trail is not chained: its head is missing")
    return head


class HeadExists(ApiError):
    status = 409
    code = "head_exists"
    detail = "The audit chain already has a head. Nothing changed."


def check_head_is_missing() -> None:
    """
    Raises:
        HeadExists.
    """
    if AuditHead.objects.exists():
        raise HeadExists


def restart(*, by: Actor, reason: str) -> AuditHead:
    """Recreates a missing head at the last chained entry, and records that.

    Raises:
        HeadExists.
    """
    with transaction.atomic():
        check_head_is_missing()
        last = AuditEntry.objects.chained().order_by("position").values_list("position", "hash").last()
        position, hash_ = last or (0, "")
        head = AuditHead.objects.create(position=position or 0, hash=hash_)
        record(Kind.TRAIL_RESTARTED, by=by, reason=reason, position=head.position)
    return head


def outdated() -> QuerySet[AuditEntry]:
    """The entries before the first one that is young enough to keep."""
    chained = AuditEntry.objects.chained()
    first = chained.filter(occurred_at__gt=timezone.now() - RETENTION).aggregate(first=Min("position"))["first"]
    return chained if first is None else chained.filter(position__lt=first)


def prune() -> Iterator[int]:
    """Deletes outdated entries in batches, each with an entry that says up to where. Yields the size of each batch."""
    while True:
        with transaction.atomic():
            if lock_head() is None:
                return
            oldest = outdated().order_by("position").values_list("pk", "position", "hash")
            rows = list(oldest[:CHAIN_BATCH_SIZE])
            if not rows:
                return
            ids = [row[0] for row in rows]
            personal = AuditPersonalData.objects.filter(pk__in=ids).select_for_update()
            list(personal.order_by("pk").values_list("pk"))  # the order in which `erase` takes them
            AuditEntry.objects.filter(pk__in=ids).delete()
            _, position, hash_ = rows[-1]
            record(Kind.TRAIL_PRUNED, by=Actor.service(), position=position, hash=hash_, entries=len(rows))
        yield len(rows)
