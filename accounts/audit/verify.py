"""Checking the audit trail: that each entry is as it was written, and that none is missing.

It takes memory for one batch, however long the trail is.
"""

import re
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import DataError, IntegrityError
from django.db.models import F, Max, Min

from accounts.audit.chain import BATCH, Link, chain_entries, chained
from accounts.audit.log import Kind
from accounts.audit.models import ERASED, ERASED_ACTOR, is_signed, secret_behind
from accounts.models import AuditEntry, AuditHead


class Unsound(Exception):
    """The first place where the trail is not as it was written."""

    def __init__(self, position: int | None, entry_id: int | None, what: str) -> None:
        super().__init__(f"position {position}, id {entry_id or '-'}: {what}")


@dataclass(frozen=True, slots=True)
class Context:
    """What a batch is checked against."""

    gone: set[object]  # of the users whose entries are erased, those who were deleted
    hashes: dict[int, str]  # what the chain has at the positions that its entries note


def verify(*, noted: Link | None = None, progress: Callable[[int], object] = lambda _: None) -> tuple[int, Link]:
    """Checks each entry, and that none is missing, from the first one to the head. What is written meanwhile is left
    for the next time.

    Args:
        noted: a head of an earlier time, such as the logs have.

    Returns:
        How many entries there are, and the head.

    Raises:
        Unsound: at the first entry that is not right.
    """
    with suppress(IntegrityError):  # it met an entry beyond the head, which is found in a moment
        chain_entries()
    found = AuditHead.objects.first()
    if found is None:
        raise Unsound(1, None, "the head is missing: the trail was emptied, or this database was not migrated")
    head = Link(found.position, found.hash)
    count, last = 0, None
    with closing(batches(head.position)) as found_batches:  # also where it ends early: its cursor is the server's
        for batch in found_batches:
            last = last or beginning(batch[0], noted)
            context = context_of(batch, last)
            for entry in batch:
                last = checked(entry, last, context, noted)
            count += len(batch)
            progress(len(batch))
    check_end(last or Link(0, ""), head, noted)
    return count, head


UNREADABLE = (ValueError, TypeError, OverflowError, AttributeError, DataError)
CANNOT_BE_READ = "content changed: it cannot be read"


def batches(end: int) -> Generator[list[AuditEntry]]:
    """The entries up to a position; one by one where one of a batch cannot be read.

    Raises:
        Unsound: it is this one's turn.
    """
    entries, done = AuditEntry.objects.filter(position__lte=end).order_by("position"), 0
    try:
        found: Any = entries.iterator(BATCH)
        with closing(found) as rows:
            while batch := list(islice(rows, BATCH)):
                yield batch
                done = batch[-1].position or 0
    except UNREADABLE:
        for position in entries.filter(position__gt=done).values_list("position", flat=True).iterator():
            yield [readable(position or 0)]


def readable(position: int) -> AuditEntry:
    try:
        return AuditEntry.objects.get(position=position)
    except UNREADABLE:
        raise Unsound(position, None, CANNOT_BE_READ) from None


def context_of(batch: list[AuditEntry], last: Link) -> Context:
    erased = {entry.user_id for entry in batch if entry.user_id and not (entry.salt and entry.actor_salt)}
    deletions = AuditEntry.objects.filter(kind=Kind.ACCOUNT_DELETED, user_id__in=erased)
    noted = {entry.after.partition(":")[0] for entry in batch}
    there = chained().filter(position__in=[int(text) for text in noted if re.fullmatch("[0-9]{1,18}", text)])
    hashes = {position: hash_ for position, hash_ in there.values_list("position", "hash") if position}
    return Context(set(deletions.values_list("user_id", flat=True)), hashes | {last.position: last.hash})


def beginning(entry: AuditEntry, noted: Link | None) -> Link:
    """What the first entry follows: nothing, or the last one that was pruned."""
    if entry.position == 1:
        return Link(0, "")
    before = (entry.position or 0) - 1
    pruned = chained().filter(kind=Kind.TRAIL_PRUNED, facts__position=before).values_list("facts__hash", flat=True)
    hash_ = pruned.order_by("position").first()
    if hash_ is None:
        raise Unsound(1, None, f"missing: the trail begins at {before + 1}, and no entry says that it was pruned")
    if noted and noted.position < before:
        raise Unsound(noted.position, None, "the head given is older than what was pruned: give a later one")
    link = Link(before, str(hash_))
    if noted and noted.position == before and noted != link:
        raise Unsound(before, None, "the head given is another one: the trail was written anew")
    return link


def checked(entry: AuditEntry, last: Link, context: Context, noted: Link | None) -> Link:
    """The entry as a link, once it is the right one after `last`."""
    try:
        found = next((what for wrong, what in CHECKS if wrong(entry, last, context)), None)
    except UNREADABLE:
        found = CANNOT_BE_READ
    link = Link(entry.position or 0, entry.hash)
    if found is None and noted and noted.position == link.position and noted != link:
        found = "the head given is another one: the trail was written anew up to here, or the head is mistyped"
    if found is not None:
        position = last.position + 1 if entry.position != last.position + 1 else entry.position
        raise Unsound(position, entry.pk, found)
    return link


def follows(entry: AuditEntry, last: Link, context: Context) -> bool:
    """Whether the head that the entry notes is the chain's own, before it. One that is not there any more was pruned:
    of the others none is missing.
    """
    noted = Link.of(entry.after)
    return noted.position <= last.position and context.hashes.get(noted.position, noted.hash) == noted.hash


def lawfully_erased(entry: AuditEntry, gone: set[object]) -> bool:
    """Whether what is erased of the entry, if anything, went with its account."""
    subject = bool(entry.salt) or entry.is_erased(ERASED)
    actor = bool(entry.actor_salt) or (entry.is_erased(ERASED_ACTOR) and entry.may_lack_actor)
    return subject and actor and (bool(entry.salt and entry.actor_salt) or entry.user_id in gone)


Check = Callable[[AuditEntry, Link, Context], bool]
CHECKS: list[tuple[Check, str]] = [
    (
        lambda entry, last, context: entry.position != last.position + 1,
        "missing: the id is that of the next entry there is",
    ),
    (
        lambda entry, last, context: not (secret_behind(entry.seal) and secret_behind(entry.hash)),
        "unknown key: neither SECRET_KEY nor SECRET_KEY_FALLBACKS has the key that it was sealed with",
    ),
    (
        lambda entry, last, context: not is_signed("seal", entry.content(), entry.seal),
        "content changed, or never written by the service",
    ),
    (
        lambda entry, last, context: bool(entry.salt) and entry.digest() != entry.commitment,
        "content changed: address",
    ),
    (
        lambda entry, last, context: bool(entry.actor_salt) and entry.actor_digest() != entry.actor_commitment,
        "content changed: actor, IP address or user agent",
    ),
    (
        lambda entry, last, context: not lawfully_erased(entry, context.gone),
        "erased, and no entry says that the account was deleted, or it was an admin's or an operator's doing",
    ),
    (
        lambda entry, last, context: not follows(entry, last, context),
        "order: it was written after another chain than this one",
    ),
    (
        lambda entry, last, context: not is_signed("chain", entry.link(last.hash), entry.hash),
        "order: it does not follow the entry before it",
    ),
]


def check_end(last: Link, head: Link, noted: Link | None) -> None:
    if last != head:
        raise Unsound(last.position + 1, None, f"missing: the head is {head.position}, and the last entry {last}")
    beyond = chained().filter(position__gt=AuditHead.objects.values("position")[:1]).only("position").first()
    if beyond is not None:
        raise Unsound(beyond.position, beyond.pk, "order: it lies beyond the head")
    ends = chained().values("seal").annotate(first=Min("position"), last=Max("position")).filter(last__gt=F("first"))
    copied = ends.order_by("last").first()  # nothing else differs, where the constraint is gone
    if copied is not None:
        raise Unsound(copied["last"], None, f"order: it is a copy of the one at position {copied['first']}")
    if noted and noted.position > head.position:
        raise Unsound(head.position + 1, None, f"missing: the head given is {noted.position}, the tail was cut off")
