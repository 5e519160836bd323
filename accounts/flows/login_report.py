"""Why a user cannot sign in: for support, on the user's page and as a command."""

from dataclasses import dataclass, field
from datetime import datetime

from axes.models import AccessFailureLog
from django.conf import settings
from django.utils import timezone

from accounts import login_guard
from accounts.audit.log import Kind
from accounts.devices import agent_name
from accounts.models import AuditEntry, Mail, Session, User
from core.times import moment

RECENT_MAILS = 5


@dataclass(frozen=True)
class Reason:
    """Why a login is refused, and what to do about it."""

    code: str
    sentence: str
    remedy: str


@dataclass(frozen=True)
class Explanation:
    address: str
    user: User | None = None
    reasons: list[Reason] = field(default_factory=list)
    last_seen_at: datetime | None = None
    live_sessions: int = 0

    @property
    def verdict(self) -> str:
        if self.reasons:
            return f"{self.address} cannot sign in."
        return f"Nothing keeps {self.address} from signing in with the right password."


def explain_login(*, address: str) -> Explanation:
    """Why the owner of an address cannot sign in, in a constant number of queries.

    Args:
        address: normalised.
    """
    user = User.objects.filter(email=address).first()
    locked = lock_of(address, user)
    if user is None:
        return Explanation(address, reasons=[UNKNOWN, *locked])
    return Explanation(
        address,
        user,
        reasons=[*deactivation_of(user), *verification_of(user), *locked, *password_of(user)],
        last_seen_at=last_seen(user),
        live_sessions=Session.objects.live().filter(user=user).count(),
    )


# --- Reasons --------------------------------------------------------------------------------------------------------

UNKNOWN = Reason(
    "unknown_address",
    "There is no account with this address.",
    "Check the spelling. The user may have registered with another address, or deleted the account.",
)


def deactivation_of(user: User) -> list[Reason]:
    """Always looks for the entry, so that the number of queries is constant."""
    entry = AuditEntry.objects.filter(user_id=user.pk, kind=Kind.ACCOUNT_DEACTIVATED).order_by("-occurred_at").first()
    if user.is_active:
        return []
    by = f" at {moment(entry.occurred_at)} by {who(entry)}: {entry.reason}" if entry else ", and no entry says by whom"
    return [Reason("deactivated", f"The account was deactivated{by}.", "Reactivate it on the user's page.")]


INVITED = "The user was invited, and has not chosen a password yet."


def verification_of(user: User) -> list[Reason]:
    mails = list(Mail.objects.filter(to=user.email, kind=Mail.Kind.VERIFICATION).order_by("-created_at")[:RECENT_MAILS])
    if user.is_verified:
        return []
    became = delivery_of(mails[0]) if mails else "No verification mail is on record; they are kept for 7 days."
    older = max((ends for mail in mails[1:] if (ends := link_ends(mail))), default=None)
    if older and older > timezone.now():
        became += f" The link of an older mail works until {moment(older)}."
    remedy = "On the user's page, send a new link or verify the address."
    sentence = "The address is not verified." if user.has_usable_password() else INVITED
    return [Reason("not_verified", f"{sentence} {became}", remedy)]


def delivery_of(mail: Mail) -> str:
    """What has become of a verification mail."""
    match mail.state:
        case Mail.State.QUEUED:
            failed = f" The last try failed: {mail.last_error}" if mail.error else ""
            return f"The mail has been waiting since {moment(mail.created_at)}; next try {moment(mail.due_at)}.{failed}"
        case Mail.State.SENT:
            ends = link_ends(mail)
            works = f"works until {moment(ends)}" if ends and ends > timezone.now() else "has expired"
            at = moment(mail.sent_at) if mail.sent_at else "an unknown time"
            return f"The mail server took the mail at {at}: it may be among the spam. Its link {works}."
        case Mail.State.DROPPED:
            why = "when it was due, there was no active account with an address to verify"
            return f"The mail of {moment(mail.created_at)} was dropped: {why}."
    return f"The mail of {moment(mail.created_at)} could not be delivered: {mail.last_error}"


def link_ends(mail: Mail) -> datetime | None:
    """When the link in a mail expires. It is made when the mail is sent."""
    return mail.sent_at + settings.VERIFICATION_TTL if mail.sent_at else None


def lock_of(address: str, user: User | None) -> list[Reason]:
    until = login_guard.locked_until(address)
    newest = AccessFailureLog.objects.filter(username=address).order_by("-attempt_time", "-pk")
    failures = list(newest[: settings.LOGIN_FAILURE_LIMIT])
    if until is None:
        return []
    tries = [
        f"{failure.ip_address or 'an unknown address'} ({agent_name(failure.user_agent)})"
        for failure in counted_failures(failures, until)
    ]
    by = f" by wrong passwords from {', '.join(dict.fromkeys(tries))}" if tries else ""
    what, others = ("account", "Resetting the password, the user's page or ") if user else ("address", "")
    remedy = f"{others}`manage.py unlock` unlocks it at once."
    return [Reason("locked", f"The {what} is locked until {moment(until)}{by}. It opens by itself.", remedy)]


def counted_failures(failures: list[AccessFailureLog], until: datetime) -> list[AccessFailureLog]:
    """Those that count: each came before its predecessor was forgotten."""
    found, oldest = [], until - settings.LOGIN_LOCK
    for failure in failures:
        if failure.attempt_time < oldest - settings.LOGIN_LOCK:
            break
        found.append(failure)
        oldest = failure.attempt_time
    return found


def password_of(user: User) -> list[Reason]:
    if user.has_usable_password() or not user.is_verified:
        return []
    return [Reason("no_password", "The account has no password.", "The owner can set one by resetting it.")]


# --- Facts ----------------------------------------------------------------------------------------------------------


def last_seen(user: User) -> datetime | None:
    newest = Session.objects.filter(user=user).order_by("-last_used_at")
    return newest.values_list("last_used_at", flat=True).first()


def last_seen_in_words(found: Explanation) -> str:
    return moment(found.last_seen_at) if found.last_seen_at else "no session is on record"


def who(entry: AuditEntry) -> str:
    return entry.actor_name or (f"{entry.actor_kind} {entry.actor_id}" if entry.actor_id else entry.actor_kind)
