"""Checking the audit trail: every entry is as it was written, and none is missing.

It takes the memory of one batch, however long the trail is.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from django.db import DataError, IntegrityError
from django.db.models import Count, Max, Min, OuterRef, Subquery

from accounts.audit.chain import CHAIN_BATCH_SIZE, chain_entries
from accounts.audit.log import Kind
from accounts.audit.models import AuditEntry, AuditHead, is_signed

UNREADABLE = (ValueError, TypeError, OverflowError, DataError)  # what a column raises that a service never wrote


class AuditFailure(Exception):
    """The first position at which the trail is not as it was written."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"Position {position}: {problem}")


class Link(NamedTuple):
    """A position of the chain, and its hash."""

    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


def verify(*, expected: Link | None = None, progress: Callable[[int], object] = lambda _: None) -> tuple[int, Link]:
    """Checks the trail from its first entry to its head. Entries that arrive meanwhile are left for the next time.

    Args:
        expected: an earlier head, from the logs, that the chain must contain.

    Returns:
        How many entries there are, and the head.

    Raises:
        AuditFailure: at the first entry that is wrong.
    """
    with suppress(IntegrityError):  # an entry lies beyond the head, as is found below
        chain_entries()
    row = AuditHead.objects.first()
    if row is None:
        raise AuditFailure(1, "the head is missing: the trail was emptied, or this database was not migrated")
    head = Link(row.position, row.hash)
    count, last = 0, start_of_chain()
    for link in check_entries(last, head.position):
        count, last = count + 1, link
        progress(1)
    check_end(last, head)
    if expected and expected.position > head.position:
        raise AuditFailure(head.position + 1, f"missing: the given head is {expected.position}, the tail was cut off")
    if expected and not AuditEntry.objects.filter(position=expected.position, hash=expected.hash).exists():
        raise AuditFailure(expected.position, "the given head is another: it was rewritten, pruned or mistyped")
    return count, head


def start_of_chain() -> Link:
    """What the first entry follows: nothing, or the last one that was pruned."""
    first = AuditEntry.objects.aggregate(first=Min("position"))["first"] or 1
    if first == 1:
        return Link(0, "")
    pruned = AuditEntry.objects.chained().filter(kind=Kind.TRAIL_PRUNED, facts__position=first - 1)
    hash_ = pruned.order_by("position").values_list("facts__hash", flat=True).first()
    if hash_ is None:
        raise AuditFailure(1, f"missing: the trail begins at {first}, and no entry says that it was pruned")
    return Link(first - 1, str(hash_))


def check_entries(last: Link, end: int, batch_size: int = CHAIN_BATCH_SIZE) -> Iterator[Link]:
    """Checks the entries after `last`, and yields the link of each.

    If one cannot be read it starts again behind the last good one, one at a time, to find out which.
    """
    noted = AuditEntry.objects.filter(position=OuterRef("after_position")).values("hash")
    entries = AuditEntry.objects.filter(position__lte=end).order_by("position").annotate(noted_hash=Subquery(noted))
    try:
        while batch := list(entries.filter(position__gt=last.position)[:batch_size]):
            for entry in batch:
                check_entry(entry, last)
                last = Link(entry.position or 0, entry.hash)
                yield last
    except UNREADABLE:
        if batch_size == 1:
            raise AuditFailure(last.position + 1, "content changed: it cannot be read") from None
        yield from check_entries(last, end, batch_size=1)


def check_entry(entry: Any, last: Link) -> None:
    """Checks an entry that should follow `last`.

    The chain has no hash at a position that was noted if the chain was empty then, or if that entry was pruned since.
    """
    personal = getattr(entry, "personal_data", None)
    if entry.position != last.position + 1:
        problem = "missing: this is the next entry"
    elif not is_signed("entry", entry.sealed_values(), entry.seal):
        problem = "content changed, never written by the service, or sealed with an unknown SECRET_KEY"
    elif personal is None and not is_lawfully_erased(entry):
        problem = "personal data missing, though the account was not deleted, or an admin or operator acted"
    elif personal is not None and not is_signed("personal", personal.sealed_values(), personal.seal):
        problem = "personal data changed"
    elif entry.after_position > last.position or entry.noted_hash not in {None, entry.after_hash}:
        problem = "order: it was written after another chain than this one"
    elif not is_signed("chain", [last.hash, entry.position, entry.seal], entry.hash):
        problem = "order: it does not follow the entry before it"
    else:
        return
    raise AuditFailure(last.position + 1, f"{problem} (id {entry.pk})")


def is_lawfully_erased(entry: AuditEntry) -> bool:
    deletions = AuditEntry.objects.filter(kind=Kind.ACCOUNT_DELETED, user_id=entry.user_id)
    return entry.is_erasable and deletions.exists()


def check_end(last: Link, head: Link) -> None:
    if last != head:
        raise AuditFailure(last.position + 1, f"missing: the head is {head.position}, and the last entry {last}")
    chained = AuditEntry.objects.chained()
    beyond = chained.filter(position__gt=AuditHead.objects.values("position")[:1]).order_by("position")
    for position, pk in beyond.values_list("position", "pk")[:1]:
        raise AuditFailure(position or 0, f"order: it lies beyond the head (id {pk})")
    # A copy differs in nothing else, and takes dropping the constraint.
    copies = chained.order_by().values("seal").annotate(copies=Count("pk"), last=Max("position")).filter(copies__gt=1)
    for copy in copies.order_by("last")[:1]:
        raise AuditFailure(copy["last"], "order: it is a copy of another entry")
