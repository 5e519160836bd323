"""The audit trail's one way in: who did what to whose account is kept for admins, and logged for who watches the logs.

Writing an entry is a plain SELECT and an INSERT in the caller's transaction, and waits for nobody.
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
from accounts.audit.models import NAME_LENGTH
from accounts.models import AuditEntry, User
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
        """Who sent a request, whoever that is."""
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
        """Who runs a command: known by the user and the host that it runs as and on."""
        return cls(ActorKind.OPERATOR, name=f"{os_user()}@{socket.gethostname()}"[:NAME_LENGTH])

    @classmethod
    def service(cls) -> Self:
        return cls(ActorKind.SERVICE)


def os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return str(os.getuid())


def record(
    kind: Kind, *, by: Actor, address: str = "", user: User | None = None, reason: str = "", **facts: Any
) -> None:
    """Writes an entry in the caller's transaction, and logs it when that is committed.

    Args:
        address: the account's; stored masked.
        reason: stored in one line.
        facts: texts, whole numbers and truth values. Nothing personal: they stay when the account goes.
    """
    shown = masked(address) if address else ""
    AuditEntry.objects.create(
        kind=kind,
        actor_kind=by.kind,
        actor_id=by.id,
        actor_name=by.name,
        user_id=user.pk if user else None,
        address=shown,
        ip=by.client.ip,
        user_agent=by.client.user_agent,
        request_id=request_id.get(),
        reason=in_one_line(reason),
        facts=facts,
    )
    watched = by.kind in {ActorKind.ANYONE, ActorKind.USER}
    told: dict[str, Any] = {
        "address": shown,
        "by": by.kind.value,
        "ip": by.client.ip,
        "user_agent": by.client.user_agent,
    }
    if by.id is not None:
        told["actor"] = str(by.id)
    told |= {"facts": facts} if facts else {}
    level = logging.WARNING if watched else logging.INFO
    transaction.on_commit(lambda: log.log(level, kind.value, extra=told))
