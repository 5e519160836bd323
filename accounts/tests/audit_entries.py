"""What the tests of the audit trail share."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.audit.chain import chain_entries
from accounts.audit.log import Actor, Kind, record
from accounts.models import AuditHead
from core.client import Client

PHONE = Client(ip="2001:db8::7", user_agent="Netscape 4")


def write(user: Any, times: int) -> None:
    for number in range(times):
        record(Kind.LOCK_OPENED, by=Actor.user(user, PHONE), address=user.email, user=user, reason=f"no. {number}")


def verify(*arguments: str) -> str:
    out = StringIO()
    call_command("audit", "verify", *arguments, stdout=out)
    return out.getvalue()


def complaint(*arguments: str) -> str:
    with pytest.raises(CommandError) as found:
        verify(*arguments)
    assert found.value.returncode == 1
    return str(found.value)


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
