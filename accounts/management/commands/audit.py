import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db.models import QuerySet
from django.utils import timezone
from tqdm import tqdm

from accounts.audit.chain import check_head_is_missing, restart
from accounts.audit.log import Actor
from accounts.audit.verify import AuditFailure, Link, verify
from accounts.flows.login_report import who
from accounts.management.base import (
    Operation,
    add_confirmation_arguments,
    address,
    confirmed_reason,
    get_user,
    whole_number,
)
from accounts.models import AuditEntry
from core.times import in_utc, moment

LAST_SHOWN = 50
FIELDS = ("occurred_at", "kind", "user_id", "address", "actor_kind", "actor_id", "actor_name", "ip", "user_agent")
MORE_FIELDS = ("request_id", "reason", "facts", "position")


def parse_head(text: str) -> Link:
    match = re.fullmatch(r"(\d{1,18}):([\w-]{43})", text.strip(), re.ASCII)
    if match is None:
        raise ArgumentTypeError("a head is POSITION:HASH, as in the logs")
    return Link(int(match[1]), match[2])


def parse_time(text: str) -> datetime:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        return in_utc(days.get(text) or datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ArgumentTypeError("a time is today, yesterday, YYYY-MM-DD or YYYY-MM-DDTHH:MM, in UTC") from None


def address_or_id(text: str) -> str | UUID:
    try:
        return UUID(text)
    except ValueError:
        return address(text)


def find_user_id(user: str | UUID) -> UUID:
    if isinstance(user, UUID):
        return user
    try:
        return get_user(user).pk
    except CommandError as unknown:
        raise CommandError(f"{unknown} Find a deleted one by its id: audit list --kind account_deleted.") from None


class Command(Operation):
    help = "Verifies the audit trail, or lists its entries."
    examples = """
audit verify
audit verify --head 1204:X03MO1qnZdYdgyfeuILPmQ...   # a head from the logs
audit list --since yesterday
audit list --user alice@example.com --since 2026-11-01T03:00 --last 200
audit list --kind role_changed --json
audit restart --reason "restored from a copy without its head"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        check = parts.add_parser("verify", help="checks every entry; exit code 1 names the first one that is wrong")
        check.add_argument(
            "--head", type=parse_head, metavar="POSITION:HASH", help="a head that the chain must contain"
        )
        shown = parts.add_parser("list", help="lists entries, the newest first")
        shown.add_argument(
            "--user", type=address_or_id, metavar="EMAIL|ID", help="about this account; a deleted one by its id"
        )
        kinds = ", ".join(AuditEntry.Kind.values)
        shown.add_argument("--kind", choices=AuditEntry.Kind.values, metavar="KIND", help=f"one of {kinds}")
        shown.add_argument("--since", type=parse_time, metavar="TIME", help="today, yesterday or an ISO time, in UTC")
        shown.add_argument(
            "--last",
            type=whole_number(1, 1_000_000),
            default=LAST_SHOWN,
            metavar="N",
            help="how many at most (default: %(default)s)",
        )
        again = parts.add_parser("restart", help="recreates a missing head, and records that")
        add_confirmation_arguments(again)

    def handle(self, *args: Any, part: str, **options: Any) -> None:
        match part:
            case "verify":
                self.verify(options["head"])
            case "list":
                self.list(options["last"], entries(options["user"], options["kind"], options["since"]))
            case "restart":
                check_head_is_missing()
                question = "Continue the chain from its last entry? Entries lost after it will not be noticed."
                reason = confirmed_reason(question, yes=options["yes"], reason=options["reason"])
                head = restart(by=Actor.operator(), reason=reason)
                self.report(f"The audit chain continues from position {head.position}.", position=head.position)

    def verify(self, head: Link | None) -> None:
        try:
            with tqdm(total=AuditEntry.objects.chained().count(), unit="entries", leave=False, disable=None) as bar:
                count, end = verify(expected=head, progress=bar.update)
        except AuditFailure as failure:
            self.report(f"The audit trail is damaged. {failure}.", ok=False)
        else:
            self.report(f"The audit trail is intact: {count} entries, head {end}", entries=count, head=str(end))

    def list(self, last: int, found: QuerySet[AuditEntry]) -> None:
        total = found.count()
        shown = found.order_by("-occurred_at", "-pk")[:last]
        of_all = f"The last {last} of {total} entries" if total > last else f"Entries: {total}"
        documents = [entry_document(entry) for entry in shown] if self.as_json else []
        self.report(f"{of_all}, the newest first.", map(entry_line, shown), total=total, entries=documents)


def entries(user: str | UUID | None, kind: str | None, since: datetime | None) -> QuerySet[AuditEntry]:
    found = AuditEntry.objects.all()
    found = found.filter(user_id=find_user_id(user)) if user else found
    found = found.filter(kind=kind) if kind else found
    return found.filter(occurred_at__gte=since) if since else found


def entry_line(entry: AuditEntry) -> str:
    facts = " ".join(f"{name}={value}" for name, value in entry.facts.items())
    account = entry.address or str(entry.user_id or "-")
    parts = [moment(entry.occurred_at), f"{entry.kind:22}", account, f"by {who(entry)}", entry.ip or "-", facts]
    return "  ".join([*parts, entry.reason])


def entry_document(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in (*FIELDS, *MORE_FIELDS)}
