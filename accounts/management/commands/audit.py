import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.utils import timezone
from tqdm import tqdm

from accounts.audit.chain import restart
from accounts.audit.log import Actor
from accounts.audit.verify import AuditFailure, Link, verify
from accounts.flows.login_report import moment, who
from accounts.management.base import (
    Operation,
    add_reason_argument,
    add_yes_argument,
    confirm,
    get_user,
    require_reason,
)
from accounts.models import AuditEntry


def parse_head(text: str) -> Link:
    match = re.fullmatch(r"(\d{1,18}):([\w-]{43})", text.strip(), re.ASCII)
    if match is None:
        raise ArgumentTypeError("a head is POSITION:HASH, as in the logs")
    return Link(int(match[1]), match[2])


def parse_time(text: str) -> datetime:
    try:
        return timezone.make_aware(datetime.fromisoformat(text).replace(tzinfo=None))
    except ValueError:
        raise ArgumentTypeError("a time is YYYY-MM-DD or YYYY-MM-DDTHH:MM, in UTC") from None


def find_user_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        pass
    try:
        return get_user(text).pk
    except CommandError as unknown:
        raise CommandError(f"{unknown} Find a deleted one by its id: audit list --kind account_deleted.") from None


class Command(Operation):
    help = "Verifies the audit trail, or lists its entries."
    examples = """
audit verify
audit verify --head 1204:X03MO1qnZdYdgyfeuILPmQ...   # a head from the logs
audit list --user alice@example.com --since 2026-11-01
audit list --kind role_changed
audit restart --reason "restored from a copy without its head"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        check = parts.add_parser("verify", help="checks every entry; exit code 1 names the first one that is wrong")
        check.add_argument(
            "--head", type=parse_head, metavar="POSITION:HASH", help="a head that the chain must contain"
        )
        shown = parts.add_parser("list", help="lists entries, the newest last")
        shown.add_argument("--user", metavar="EMAIL|ID", help="about this account; a deleted one by its id")
        shown.add_argument("--kind", choices=AuditEntry.Kind.values)
        shown.add_argument("--since", type=parse_time, metavar="TIME", help="in UTC")
        again = parts.add_parser("restart", help="recreates a missing head, and records that")
        add_reason_argument(again)
        add_yes_argument(again)

    def handle(self, *args: Any, part: str, **options: Any) -> None:
        match part:
            case "verify":
                self.verify(options["head"])
            case "list":
                self.list(options["user"], options["kind"], options["since"])
            case "restart":
                confirm(
                    "Continue the chain from its last entry? Entries lost after it will not be noticed.",
                    yes=options["yes"],
                )
                head = restart(by=Actor.operator(), reason=require_reason(options["reason"]))
                self.stdout.write(f"The audit chain continues from position {head.position}.")

    def verify(self, head: Link | None) -> None:
        with tqdm(total=AuditEntry.objects.chained().count(), unit="entries", leave=False, disable=None) as bar:
            try:
                count, end = verify(expected=head, progress=bar.update)
            except AuditFailure as failure:
                raise CommandError(f"The audit trail is damaged. {failure}.") from None
        self.stdout.write(f"The audit trail is intact: {count} entries, head {end}")

    def list(self, user: str | None, kind: str | None, since: datetime | None) -> None:
        entries = AuditEntry.objects.order_by("occurred_at", "pk")
        entries = entries.filter(user_id=find_user_id(user)) if user else entries
        entries = entries.filter(kind=kind) if kind else entries
        entries = entries.filter(occurred_at__gte=since) if since else entries
        for entry in entries.iterator():
            facts = " ".join(f"{name}={value}" for name, value in entry.facts.items())
            account = entry.address or str(entry.user_id or "-")
            parts = [moment(entry.occurred_at), f"{entry.kind:22}", account, f"by {who(entry)}", entry.ip or "-", facts]
            self.line("  ".join([*parts, entry.reason]))
