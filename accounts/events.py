"""Security events: kept for admins, and logged for whoever watches the logs."""

import logging

from accounts.addresses import masked
from accounts.models import SecurityEvent, User
from peerprep_users.clients import Client
from peerprep_users.logging import request_id

log = logging.getLogger("accounts.security")


def record(kind: SecurityEvent.Kind, *, address: str, user: User | None, client: Client) -> None:
    facts = {
        "address": masked(address),
        "ip": client.ip,
        "user_agent": client.user_agent,
        "request_id": request_id.get(),
    }
    SecurityEvent.objects.create(kind=kind, user=user, **facts)
    log.warning(kind.value, extra={name: value for name, value in facts.items() if name != "request_id"})
