"""What happened to an account, in sentences: its sessions, wrong passwords, mails and audit entries in one list."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from axes.models import AccessFailureLog
from django.utils import timezone

from accounts.audit.log import ActorKind, Kind
from accounts.devices import agent_name
from accounts.mail.messages import INVITATION, SUBJECTS
from accounts.models import AuditEntry, Mail, Role, Session, User
from core.times import moment

EVENTS = 50
WRONG_GUESS = "wrong_password"
MOST_FAILURES = 1000  # most of them are folded
WORDS: dict[Any, str] = {**dict(Role.choices), **dict(Mail.Kind.choices)}  # of facts that are codes
OF_ENTRIES = {  # with the facts of the entry
    Kind.ACCOUNT_LOCKED: "The account was locked after too many wrong passwords.",
    Kind.REFRESH_TOKEN_REUSED: "A refresh token was used a second time, so its session was ended.",
    Kind.REFRESH_TOKEN_REPLAYED: "A refresh token was sent again from another device or network.",
    Kind.RESET_CODE_EXHAUSTED: "A reset code was guessed at too often, and works no longer.",
    Kind.LEGACY_TOKEN_TAKEN: "A token of the earlier service was accepted.",
    Kind.PASSWORD_RESET: "The password was reset by a mailed code.",
    Kind.PASSWORD_CHANGED: "The password was changed.",
    Kind.PASSWORD_CHOSEN: "The first password was chosen.",
    Kind.ACCOUNT_CREATED: "The account was created.",
    Kind.ACCOUNT_RENAMED: "The name was changed.",
    Kind.ADDRESS_VERIFIED: "The address was marked as verified.",
    Kind.VERIFICATION_RESENT: "A new link was requested.",
    Kind.RESET_CODE_SENT: "A reset code was requested.",
    Kind.MAIL_RESENT: "A mail that could not be delivered was queued again: {of}.",
    Kind.LOCK_OPENED: "The account was unlocked.",
    Kind.SESSIONS_ENDED: "Sessions ended: {sessions}.",
    Kind.ROLE_CHANGED: "The role was changed from {from} to {to}.",
    Kind.ACCOUNT_DEACTIVATED: "The account was deactivated.",
    Kind.ACCOUNT_REACTIVATED: "The account was reactivated.",
    Kind.ACCOUNT_EXPORTED: "The data of the account was exported.",
    Kind.ACCOUNT_DELETED: "The account was deleted.",
    Kind.LIST_EXPORTED: "A list was exported: {list}, rows: {rows}.",
    Kind.DATA_IMPORTED: "Data of the earlier service was imported: users: {users}, attempts: {attempts}.",
    Kind.KEY_STAGED: "The signing key {kid} was published.",
    Kind.KEY_ACTIVATED: "The signing key {kid} was put into use.",
    Kind.KEY_RETIRED: "The signing key {kid} was retired.",
    Kind.TRAIL_PRUNED: "Entries older than a year were deleted: {entries}, up to position {position}.",
    Kind.TRAIL_RESTARTED: "The audit trail was continued after position {position}.",
}
OF_ENDS: dict[str, str] = {  # the others leave an entry
    Session.EndReason.LOGOUT: "Signed out.",
    Session.EndReason.REVOKED: "Ended one session.",
    Session.EndReason.LIMIT: "The oldest sessions were ended, since there were too many.",
}
OF_MAILS: dict[str, str] = {
    Mail.State.QUEUED: "is queued",
    Mail.State.SENT: "was sent",
    Mail.State.DROPPED: "was not sent: it was no longer needed, or the address was unverified",
    Mail.State.DEAD: "could not be delivered",
}


@dataclass(frozen=True)
class Happening:
    """
    Args:
        kind: its code, for a program.
        row: what is stored about it.
    """

    at: datetime
    kind: str
    sentence: str
    note: str = ""
    row: Session | Mail | AuditEntry | None = None


def timeline_of(user: User) -> list[Happening]:
    """The newest ones. As many are read of each kind, so that none between them is missing."""
    failures = list(events_of_failures(user))
    created_by_another = was_created_by_another(user)
    mails = events_of_mails(user, subjects_for(invited=created_by_another))
    found = [*events_of_sessions(user), *failures, *mails, *events_of_entries(user)]
    if not created_by_another:
        created = Kind.ACCOUNT_CREATED
        found.append(Happening(user.created_at, created, OF_ENTRIES[created]))
    if len(failures) == MOST_FAILURES:  # there may be more
        found = [event for event in found if event.at >= failures[-1].at]
    return list(folded(sorted(found, key=lambda event: event.at, reverse=True)))[:EVENTS]


def folded(events: list[Happening]) -> Iterator[Happening]:
    """With one for wrong passwords that follow each other."""
    for is_guess, run in groupby(events, lambda event: event.kind == WRONG_GUESS):
        if not is_guess:
            yield from run
            continue
        newest, *earlier = run
        devices = {event.note for event in [newest, *earlier]}
        device = newest.note if len(devices) == 1 else f"{len(devices)} devices"
        times = f"{len(earlier) + 1} times since {moment(earlier[-1].at)}" if earlier else ""
        yield replace(newest, note=joined(device, times))


def events_of_sessions(user: User) -> Iterator[Happening]:
    """How the newest sessions began and ended. Sessions that ended at the same moment are one event."""
    ends, now, own = dict[datetime, str](), timezone.now(), Session.objects.filter(user=user)
    begun = own.order_by("-created_at")[:EVENTS]
    ended = own.exclude(ended_at=None).order_by("-ended_at")[:EVENTS]
    for session in {session.pk: session for session in [*begun, *ended]}.values():
        device = joined(agent_name(session.user_agent), session.ip)
        yield Happening(session.created_at, "signed_in", "Signed in.", device, session)
        if session.ended_at:
            ends[session.ended_at] = session.end_reason
        elif session.refresh_expires_at <= now:
            yield Happening(session.refresh_expires_at, "session_expired", "A session expired.", device)
    yield from (Happening(at, reason, OF_ENDS[reason]) for at, reason in ends.items() if reason in OF_ENDS)


def events_of_failures(user: User) -> Iterator[Happening]:
    newest = AccessFailureLog.objects.filter(username=user.email).order_by("-attempt_time", "-pk")
    for failure in newest[:MOST_FAILURES]:
        device = joined(agent_name(failure.user_agent), failure.ip_address)
        yield Happening(failure.attempt_time, WRONG_GUESS, "A wrong password was given.", device)


def events_of_mails(user: User, subjects: dict[str, str]) -> Iterator[Happening]:
    for mail in Mail.objects.filter(to=user.email).order_by("-created_at")[:EVENTS]:
        outcome = OF_MAILS[mail.state] if mail.sent_at else f"was requested. It {OF_MAILS[mail.state]}"
        sentence = f"The mail “{subjects[mail.kind]}” {outcome}."
        note = "" if mail.state == Mail.State.SENT else mail.last_error
        yield Happening(mail.sent_at or mail.created_at, f"mail_{mail.state}", sentence, note, mail)


def subjects_for(*, invited: bool) -> dict[str, str]:
    """The subjects of mails to a user, by their kind. The verification mails of an invited one are invitations."""
    return {**SUBJECTS, Mail.Kind.VERIFICATION: SUBJECTS[INVITATION]} if invited else SUBJECTS


def was_created_by_another(user: User) -> bool:
    """By an admin's invitation, or on the command line. The entry is kept for a year."""
    return AuditEntry.objects.filter(user_id=user.pk, kind=Kind.ACCOUNT_CREATED).exists()


def events_of_entries(user: User) -> Iterator[Happening]:
    for entry in AuditEntry.objects.filter(user_id=user.pk).order_by("-occurred_at", "-id")[:EVENTS]:
        yield Happening(entry.occurred_at, entry.kind, sentence_of(entry), note_of(entry, user), entry)


def sentence_of(entry: AuditEntry) -> str:
    return OF_ENTRIES[Kind(entry.kind)].format_map(defaultdict(lambda: "?", worded_facts(entry)))


def worded_facts(entry: AuditEntry) -> dict[str, Any]:
    """In words, where they are codes or times."""
    facts = {name: WORDS.get(fact, fact) for name, fact in entry.facts.items()}
    if ends := facts.get("locked_until"):
        facts["locked_until"] = moment(datetime.fromisoformat(ends))
    return facts


def note_of(entry: AuditEntry, user: User) -> str:
    """Who it was, as far as that is not plain, and why."""
    if entry.actor_kind in {ActorKind.ANYONE, ActorKind.USER}:
        return joined(agent_name(entry.user_agent), entry.ip, entry.reason)
    actor = user.email if entry.actor_id == user.pk else entry.actor_name
    return joined(f"by {entry.get_actor_kind_display().lower()} {actor}".strip(), entry.reason)


def joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)
