"""Writing to the audit trail, and erasing what is personal in it.

`record` is a plain SELECT and two INSERTs in the caller's transaction, and waits for no other writer.
"""

import getpass
import logging
import os
import socket
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.db import transaction

from accounts.addresses import masked
from accounts.audit.models import ACTOR_NAME_LENGTH, AuditEntry, AuditHead, AuditPersonalData, is_signed, sign
from accounts.models import User
from accounts.text import in_one_line
from core.client import Client
from core.logging import request_id

log = logging.getLogger("accounts.security")

Kind = AuditEntry.Kind
ActorKind = AuditEntry.ActorKind

NO_CLIENT = Client(ip=None, user_agent="")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and from where."""

    kind: ActorKind
    id: UUID | None = None
    name: str = ""
    client: Client = NO_CLIENT

    @classmethod
    def anyone(cls, client: Client) -> Self:
        """The sender of an unauthenticated request."""
        return cls(ActorKind.ANYONE, client=client)

    @classmethod
    def user(cls, user: User, client: Client) -> Self:
        """The owner of the account."""
        return cls(ActorKind.USER, user.pk, masked(user.email), client)

    @classmethod
    def admin(cls, user: User, client: Client) -> Self:
        return cls(ActorKind.ADMIN, user.pk, user.email, client)

    @classmethod
    def operator(cls) -> Self:
        """The system user who runs a command, and the host."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container may run with a user id that has no name
            user = str(os.getuid())
        return cls(ActorKind.OPERATOR, name=f"{user}@{socket.gethostname()}"[:ACTOR_NAME_LENGTH])

    @classmethod
    def service(cls) -> Self:
        return cls(ActorKind.SERVICE)


def record(
    kind: Kind, *, by: Actor, address: str = "", user: User | None = None, reason: str = "", **facts: Any
) -> None:
    """Writes an entry in the caller's transaction, and a log line once it is committed.

    Args:
        address: of the account; stored masked.
        reason: stored in one line.
        facts: strings, integers and booleans. Nothing personal: they stay when the account is deleted.
    """
    shown = masked(address) if address else ""
    head = AuditHead.objects.first() or AuditHead()
    entry = AuditEntry(
        kind=kind,
        actor_kind=by.kind,
        actor_id=by.id,
        user_id=user.pk if user else None,
        request_id=request_id.get(),
        reason=in_one_line(reason),
        facts=facts,
        after_position=head.position,
        after_hash=head.hash,
    )
    entry.seal = sign("entry", entry.sealed_values())
    entry.save(force_insert=True)
    personal = AuditPersonalData(
        entry=entry, address=shown, actor_name=by.name, ip=by.client.ip, user_agent=by.client.user_agent
    )
    personal.seal = sign("personal", personal.sealed_values())
    personal.save(force_insert=True)
    announce(kind, by=by, shown=shown, **facts)


def announce(kind: Kind, *, by: Actor, shown: str, **facts: Any) -> None:
    """Writes the log line of an entry, or of an event that leaves none, once the transaction is committed.

    Args:
        shown: the masked address.
    """
    fields = {"address": shown, "by": by.kind.value, "ip": by.client.ip, "user_agent": by.client.user_agent}
    if by.id is not None:
        fields["actor"] = str(by.id)
    extra = {**fields, "facts": facts} if facts else fields
    level = logging.WARNING if by.kind in {ActorKind.ANYONE, ActorKind.USER} else logging.INFO
    transaction.on_commit(lambda: log.log(level, kind.value, extra=extra))


def erase(user_id: UUID) -> None:
    """Erases the personal data of a deleted user, in the caller's transaction.

    The names of admins and operators stay, also when it is an admin who is deleted: they answer for what they did.
    """
    found = AuditPersonalData.objects.filter(entry__user_id=user_id).select_related("entry")
    rows = list(found.select_for_update(of=("self",)).order_by("pk"))  # the order in which `prune` takes them
    AuditPersonalData.objects.filter(pk__in=[row.pk for row in rows if row.entry.is_erasable]).delete()
    others = [row for row in rows if not row.entry.is_erasable]
    for row in others:
        untouched = is_signed("personal", row.sealed_values(), row.seal)
        row.address = ""
        if untouched:  # else `audit verify` has to find it still
            row.seal = sign("personal", row.sealed_values())
    AuditPersonalData.objects.bulk_update(others, ["address", "seal"])
