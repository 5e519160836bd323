"""The audit trail's chain: joining what was written, checking it, and pruning what is too old.

Entries are written unchained, so that whoever writes one waits for nobody. Whoever chains holds the head; a second one
passes by. The head is logged with each batch: logs that are kept elsewhere show that a tail was cut off.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Min, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.audit import Actor, Kind, record
from accounts.holdings import Progress, Task
from accounts.models import AuditEntry, AuditHead
from accounts.trail import is_signed, secret_behind, sign

log = logging.getLogger(__name__)

BATCH = 500
RETENTION = timedelta(days=366)  # the database, whose clock may be another, refuses below 365


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
        fresh = AuditEntry.objects.filter(position=None).order_by("id")
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
    """The head, held until the transaction ends; None where somebody else holds it."""
    head = AuditHead.objects.select_for_update(skip_locked=True).first()
    if head is None and not AuditHead.objects.exists():
        last = chained().order_by("position").last()
        if last is not None:
            log.error("The head of the audit trail was gone; it goes on from %s:%s", last.position, last.hash)
        start = AuditHead(position=last.position or 0, hash=last.hash) if last else AuditHead()
        AuditHead.objects.bulk_create([start], ignore_conflicts=True)
        head = AuditHead.objects.select_for_update(skip_locked=True).first()
    return head


# --- Verifying ------------------------------------------------------------------------------------------------------


class Unsound(Exception):  # noqa: N818 - what a check found
    """The first place where the trail is not as it was written."""

    def __init__(self, position: int | None, entry_id: int | None, what: str) -> None:
        super().__init__(f"position {position}, id {entry_id or '-'}: {what}")


@dataclass(frozen=True, slots=True)
class Link:
    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


def verify(*, noted: Link | None = None, progress: Progress = lambda _: None) -> tuple[int, Link]:
    """Checks each entry, and that none is missing, from the first one to the head. What is written meanwhile is left
    for the next time.

    Args:
        noted: a head of an earlier time, such as the logs have.

    Returns:
        How many entries there are, and the head.

    Raises:
        Unsound: at the first entry that is not right.
    """
    chain_entries()
    head = AuditHead.objects.first() or AuditHead()
    count, last = 0, None
    entries: Any = AuditEntry.objects.filter(position__lte=head.position).order_by("position").iterator(BATCH)
    with closing(entries):  # also where it ends early: its cursor is the server's
        for batch in batches(entries):
            gone = deleted_among(batch)
            for entry in batch:
                last = last or beginning(entry, noted)
                last = checked(entry, last, gone, noted)
            count += len(batch)
            progress(len(batch))
    check_end(last or Link(0, ""), Link(head.position, head.hash), noted)
    return count, Link(head.position, head.hash)


def batches(entries: Iterator[AuditEntry]) -> Iterator[list[AuditEntry]]:
    while batch := list(islice(entries, BATCH)):
        yield batch


def deleted_among(entries: Iterable[AuditEntry]) -> set[object]:
    """Of the users whose entries are erased, those who were deleted."""
    users = {user for entry in entries if not entry.salt for user in (entry.user_id, entry.actor_id) if user}
    deletions = AuditEntry.objects.filter(kind=Kind.ACCOUNT_DELETED, user_id__in=users)
    return set(deletions.values_list("user_id", flat=True)) if users else set()


def beginning(entry: AuditEntry, noted: Link | None) -> Link:
    """What the first entry follows: nothing, or the last one that was pruned."""
    if entry.position == 1:
        return Link(0, "")
    before = (entry.position or 0) - 1
    pruned = chained().filter(kind=Kind.TRAIL_PRUNED, facts__position=before).first()
    if pruned is None:
        raise Unsound(1, None, f"missing: the trail begins at {before + 1}, and no entry says that it was pruned")
    if noted and noted.position < before:
        raise Unsound(noted.position, None, "the head given is older than what was pruned: give a later one")
    link = Link(before, str(pruned.facts["hash"]))
    if noted and noted.position == before and noted != link:
        raise Unsound(before, None, "the head given is another one: the trail was written anew")
    return link


def checked(entry: AuditEntry, last: Link, gone: set[object], noted: Link | None) -> Link:
    """The entry as a link, once it is the right one after `last`."""
    found = next((what for wrong, what in CHECKS if wrong(entry, last, gone)), None)
    link = Link(entry.position or 0, entry.hash)
    if found is None and noted and noted.position == link.position and noted != link:
        found = "the head given is another one: the trail was written anew up to here, or the head is mistyped"
    if found is not None:
        position = last.position + 1 if entry.position != last.position + 1 else entry.position
        raise Unsound(position, entry.pk, found)
    return link


Check = Callable[[AuditEntry, Link, set[object]], bool]
CHECKS: list[tuple[Check, str]] = [
    (
        lambda entry, last, gone: entry.position != last.position + 1,
        "missing: the id is that of the next entry there is",
    ),
    (
        lambda entry, last, gone: not (secret_behind(entry.seal) and secret_behind(entry.hash)),
        "unknown key: neither SECRET_KEY nor SECRET_KEY_FALLBACKS has the key that it was sealed with",
    ),
    (
        lambda entry, last, gone: not is_signed("seal", entry.content(), entry.seal),
        "content changed, or never written by the service",
    ),
    (
        lambda entry, last, gone: bool(entry.salt) and entry.digest() != entry.commitment,
        "content changed: address, actor, IP address or user agent",
    ),
    (
        lambda entry, last, gone: not entry.salt and not (entry.is_erased and {entry.user_id, entry.actor_id} & gone),
        "erased, and no entry says that the account was deleted",
    ),
    (
        lambda entry, last, gone: not is_signed("chain", entry.link(last.hash), entry.hash),
        "order: it does not follow the entry before it",
    ),
]


def check_end(last: Link, head: Link, noted: Link | None) -> None:
    if last != head:
        raise Unsound(last.position + 1, None, f"missing: the head is {head.position}, and the last entry {last}")
    beyond = chained().filter(position__gt=Coalesce(AuditHead.objects.values("position")[:1], 0)).first()
    if beyond is not None:
        raise Unsound(beyond.position, beyond.pk, "order: it lies beyond the head")
    if noted and noted.position > head.position:
        raise Unsound(head.position + 1, None, f"missing: the head given is {noted.position}, the tail was cut off")


# --- Pruning --------------------------------------------------------------------------------------------------------


def pruning() -> Task:
    """Joins what is not chained yet; then, what there is to prune."""
    chain_entries()
    return Task(outdated().count(), prune)


def outdated() -> QuerySet[AuditEntry]:
    """The entries before the first one that is young enough to be kept."""
    young = chained().filter(occurred_at__gt=timezone.now() - RETENTION)
    first = young.aggregate(first=Min("position"))["first"]
    return chained() if first is None else chained().filter(position__lt=first)


def prune(progress: Progress) -> int:
    removed = 0
    while batch := prune_batch():
        progress(batch)
        removed += batch
    return removed


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
