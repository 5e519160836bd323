"""What the tests of the audit trail share."""

from typing import Any

from accounts.audit.chain import chain_entries
from accounts.audit.log import Actor, Kind, record
from accounts.models import AuditHead
from core.client import Client
from core.tests.commands import reported

PHONE = Client(ip="2001:db8::7", user_agent="Netscape 4")


def write(user: Any, times: int) -> None:
    for number in range(times):
        record(Kind.LOCK_OPENED, by=Actor.user(user, PHONE), address=user.email, user=user, reason=f"no. {number}")


def verify(*arguments: str) -> str:
    said, code = reported("audit", "verify", *arguments)
    assert code == 0, said
    return said


def complaint(*arguments: str) -> str:
    said, code = reported("audit", "verify", *arguments)
    assert code == 1, said
    return said


def head() -> str:
    return str(AuditHead.objects.get())


def write_five(user: Any) -> None:
    """Five entries about a user, chained. The last three know the first two."""
    write(user, 2)
    assert chain_entries() == 2
    write(user, 3)
    assert chain_entries() == 3


def delete_entries(where: str) -> list[str]:
    """The SQL that deletes some entries, with their personal data."""
    entries = f"audit_trail WHERE {where}"
    return [f"DELETE FROM audit_personal WHERE entry_id IN (SELECT id FROM {entries})", f"DELETE FROM {entries}"]
