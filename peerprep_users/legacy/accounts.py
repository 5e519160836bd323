"""Which of the earlier users become accounts here, by the rules of this service."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError

from accounts.addresses import normalised, validate_address
from accounts.hashing import Argon2id
from accounts.models import NAME_LENGTH, Role, User, default_name
from accounts.text import no_control_characters
from peerprep_users.legacy.report import Reason, Report
from peerprep_users.legacy.source import SourceUser

HASH_LENGTH = 255
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class Refused(Exception):
    """The row cannot be imported."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


@dataclass
class Account:
    """An earlier user as an account of this service.

    Args:
        ids: what the earlier attempts of this account have as `user_id`; the first is the account's own.
        origin: the earlier row.
    """

    user: User
    ids: list[str]
    origin: SourceUser

    @property
    def rank(self) -> tuple[bool, datetime, UUID]:
        """Of several accounts of one mailbox, the least one stays: the verified one, else the oldest."""
        return not self.user.is_verified, self.origin.created_at or END_OF_TIME, self.user.id


@dataclass
class ChosenAccounts:
    accounts: list[Account]  # in the order of their ids
    refused: set[str]  # the ids of the other users


def choose(rows: Iterable[SourceUser], report: Report, now: datetime) -> ChosenAccounts:
    by_address: dict[str, list[Account]] = defaultdict(list)
    seen: set[UUID] = set()
    refused: set[str] = set()
    for row in rows:
        try:
            account = account_of(row)
            if account.user.id in seen:
                raise Refused(Reason.ID_TAKEN)
            seen.add(account.user.id)
            by_address[account.user.email].append(account)
        except Refused as refusal:
            refused.add(row.id)
            report.add("users", row.id, refusal.reason, email=row.email)
    for same in by_address.values():
        if len(same) > 1:
            refused |= settle(same, report)
    chosen = [min(same, key=lambda account: account.rank) for same in by_address.values()]
    for account in chosen:
        complete(account.user, account.origin, report, now)
    return ChosenAccounts(sorted(chosen, key=lambda account: account.user.id), refused)


def settle(same: list[Account], report: Report) -> set[str]:
    """Decides between accounts of one mailbox. Returns the ids of those whose attempts are not taken over.

    Whoever verified the address owns the mailbox, so two that did are one person, whose attempts come together. Anybody
    could have registered one that is not verified.
    """
    winner, *losers = sorted(same, key=lambda account: account.rank)
    refused = set()
    for loser in losers:
        is_owner = loser.user.is_verified
        attempts = "moved to that account" if is_owner else "not imported"
        report.add(
            "users",
            loser.ids[0],
            Reason.DUPLICATE_ADDRESS,
            email=loser.origin.email,
            kept=winner.user.id,
            attempts=attempts,
        )
        if is_owner:
            winner.ids.append(loser.ids[0])
        else:
            refused.add(loser.ids[0])
    return refused


def account_of(row: SourceUser) -> Account:
    """What decides whether it becomes an account.

    Raises:
        Refused.
    """
    try:
        user = User(id=UUID(row.id), email=address_of(row), is_verified=bool(row.is_verified))
    except ValueError:
        raise Refused(Reason.BAD_ID) from None
    return Account(user, [row.id], row)


def complete(user: User, row: SourceUser, report: Report, now: datetime) -> None:
    user.name = name_of(row, user.email, report)
    user.password = taken_over_password(row, report)
    user.role = role_of(row, report)
    if row.created_at is None:
        report.add("users", row.id, Reason.BAD_TIME, "imported, as of now")
    if row.created_at is None or not (user.is_verified or user.is_admin):
        user.created_at = now  # an unverified account has its days from now on
    else:
        user.created_at = row.created_at
    user.updated_at = row.updated_at or user.created_at


def address_of(row: SourceUser) -> str:
    address = normalised(row.email or "")
    try:
        validate_address(address)
    except ValidationError:
        raise Refused(Reason.BAD_ADDRESS) from None
    return address


def name_of(row: SourceUser, address: str, report: Report) -> str:
    """A missing name is the one that a registration without a name gives."""
    whole = (row.name or "").strip()
    if not whole:
        return default_name(address)
    name = whole[:NAME_LENGTH].rstrip()
    try:
        no_control_characters(name)
    except ValidationError:
        report.add("users", row.id, Reason.BAD_NAME, "imported, named after the address")
        return default_name(address)
    if len(whole) > NAME_LENGTH:
        report.add("users", row.id, Reason.LONG_NAME, f"imported, its first {NAME_LENGTH} characters")
    return name


def taken_over_password(row: SourceUser, report: Report) -> str:
    """As Django writes an Argon2 hash. A login verifies it, and replaces one that was made with other parameters."""
    stored = row.password_hash or ""
    if is_hash(stored):
        return f"argon2{stored}"
    report.add("users", row.id, Reason.BAD_HASH, "imported, needs a new password")
    return make_password(None)


def is_hash(stored: str) -> bool:
    if not stored.startswith("$argon2id$") or len(stored) > HASH_LENGTH - len("argon2"):
        return False
    try:
        return Argon2id().is_affordable(extract_parameters(stored))
    except InvalidHashError:
        return False


def role_of(row: SourceUser, report: Report) -> Role:
    role = (row.role or "").upper()
    if role in Role.values:
        return Role(role)
    report.add("users", row.id, Reason.BAD_ROLE, "imported as USER", role=row.role)
    return Role.USER
