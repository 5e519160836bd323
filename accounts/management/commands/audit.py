import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.utils import timezone
from tqdm import tqdm

from accounts.audit.chain import Link, chained, restart
from accounts.audit.log import Actor
from accounts.audit.verify import Unsound, verify
from accounts.flows.login_report import moment, who
from accounts.management.base import Operation, add_reason_argument, add_yes_argument, confirm, get_user, require_reason
from accounts.models import AuditEntry


def link(text: str) -> Link:
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f.]{73})", text.strip())
    if match is None:
        raise ArgumentTypeError("a head is POSITION:HASH, as the logs have it")
    return Link(int(match[1]), match[2])


def time(text: str) -> datetime:
    try:
        return timezone.make_aware(datetime.fromisoformat(text).replace(tzinfo=None))
    except ValueError:
        raise ArgumentTypeError("a time is YYYY-MM-DD or YYYY-MM-DDTHH:MM, in UTC") from None


def account(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        pass
    try:
        return get_user(text).pk
    except CommandError as unknown:
        raise CommandError(f"{unknown} Find a deleted one by its id: audit list --kind account_deleted.") from None


class Command(Operation):
    help = "Checks that nobody has changed the audit trail, or lists its entries."
    examples = """
audit verify
audit verify --head 1204:5d41402a.9f86d081...   # a head that the logs have
audit list --user alice@example.com --since 2026-11-01
audit list --kind role_changed
audit restart --reason "restored from a copy without its head"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        check = parts.add_parser("verify", help="checks the chain; exit code 1 names the first entry that is not right")
        check.add_argument("--head", type=link, metavar="POSITION:HASH", help="that the trail must have had")
        shown = parts.add_parser("list", help="shows entries, the newest last")
        shown.add_argument("--user", metavar="EMAIL|ID", help="that concern this account, by its id also if it is gone")
        shown.add_argument("--kind", choices=AuditEntry.Kind.values)
        shown.add_argument("--since", type=time, metavar="TIME", help="in UTC")
        again = parts.add_parser("restart", help="makes a head where it is missing, and writes an entry that says so")
        add_reason_argument(again)
        add_yes_argument(again)

    def handle(self, *args: Any, part: str, **options: Any) -> None:
        parts: dict[str, Callable[..., None]] = {"verify": self.verify, "list": self.list, "restart": self.restart}
        parts[part](**options)

    def restart(self, *, reason: str, yes: bool, **options: Any) -> None:
        confirm("Go on from the last entry that was chained, whatever was lost after it?", yes=yes)
        head = restart(by=Actor.operator(), reason=require_reason(reason))
        self.stdout.write(f"The audit trail goes on from position {head.position}.")

    def verify(self, *, head: Link | None, **options: Any) -> None:
        with tqdm(total=chained().count(), unit="entries", leave=False, disable=None) as bar:
            try:
                count, end = verify(noted=head, progress=bar.update)
            except Unsound as found:
                raise CommandError(f"The audit trail is not sound. {found}.") from None
        self.stdout.write(f"The audit trail is sound: {count} entries, head {end}")

    def list(self, *, user: str | None, kind: str | None, since: datetime | None, **options: Any) -> None:
        entries = AuditEntry.objects.order_by("occurred_at", "pk")
        entries = entries.filter(user_id=account(user)) if user else entries
        entries = entries.filter(kind=kind) if kind else entries
        entries = entries.filter(occurred_at__gte=since) if since else entries
        for entry in entries.iterator():
            facts = " ".join(f"{name}={value}" for name, value in entry.facts.items())
            whom = entry.address or str(entry.user_id or "-")
            parts = [moment(entry.occurred_at), f"{entry.kind:22}", whom, f"by {who(entry)}", entry.ip or "-", facts]
            self.line("  ".join([*parts, entry.reason]))
