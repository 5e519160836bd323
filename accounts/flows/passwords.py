"""Checking, judging and changing passwords."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import hashing, login_guard
from accounts.audit.log import Actor, Kind, record
from accounts.flows.sessions import end_sessions
from accounts.leases import lease
from accounts.mail.queue import circumstances, enqueue
from accounts.metrics import LOCKS
from accounts.models import Mail, Session, User
from core.client import Client
from core.errors import ApiError, Invalid

GUESS_WAIT = 10.0  # seconds


class OldPasswordRequired(ApiError):
    status = 400
    code = "old_password_required"
    detail = "To change the password, send the old one too."


class OldPasswordIncorrect(ApiError):
    status = 401
    code = "old_password_incorrect"
    detail = "The old password is not right."


def check_password(*, address: str, password: str, client: Client) -> User | None:
    """The active user whose address and password these are; every place that takes a password comes here.

    Guesses at one account are evaluated one after the other, and each is counted before it is evaluated. So a count
    that has reached the limit means that many wrong passwords, not some that are still being looked at.

    Args:
        address: normalised; counted whether or not there is an account.

    Raises:
        AccountLocked: the password was not looked at.
        Busy: other guesses at the same account took too long.
        TooManyHashes: this process has enough of them to do.
    """
    with hashing.place(address), lease(f"password:{address}", wait=GUESS_WAIT):
        try:
            failures = login_guard.count_guess(address)
        except login_guard.AccountLocked:
            if not login_guard.is_recorded(address):  # whoever was about to record it died
                note_failure(address, client, locks=True)
            raise
        user = User.objects.filter(email=address, is_active=True).first()
        try:
            right = hashing.matches(password, user.password if user else None)
        except hashing.TooManyHashes:
            login_guard.take_back(address)
            raise
        if right and user:
            login_guard.clear(address)
            upgrade_hash(user, password)
            return user
        note_failure(address, client, locks=failures >= settings.LOGIN_FAILURE_LIMIT)
        return None


def upgrade_hash(user: User, password: str) -> None:
    """Hashes a password that is right anew where the hash was made with other parameters. It can wait, under load."""
    if hashing.is_outdated(user.password):
        with suppress(hashing.TooManyHashes):
            old, user.password = user.password, make_password(password)
            User.objects.filter(pk=user.pk, password=old).update(password=user.password)


@transaction.atomic
def note_failure(address: str, client: Client, *, locks: bool) -> None:
    login_guard.record_failure(address, client, locked=locks)
    if locks:
        report_lock(address, client)


def report_lock(address: str, client: Client) -> None:
    """Leaves the trace of a lock: an audit entry, and a mail to the owner. For an unknown address exactly the same is
    done; the sender finds out that there is nobody to tell.
    """
    owner = User.objects.held(email=address)
    record(Kind.ACCOUNT_LOCKED, by=Actor.anyone(client), address=address, user=owner)
    enqueue(Mail.Kind.ACCOUNT_LOCKED, address, circumstances(client))
    LOCKS.inc()


def validate_new_password(password: str, user: User, field: str) -> None:
    """Refuses a password that is common, or the user's address or name over again.

    Raises:
        Invalid: with each reason, under `field` of the body.
    """
    try:
        validate_password(password, user)
    except ValidationError as exc:
        problems: list[dict[str, Any]] = [
            {"loc": ["body", field], "msg": str(error.messages[0]), "type": error.code or "value_error"}
            for error in exc.error_list
        ]
        raise Invalid(problems) from None


def change_password(
    *, user: User, session: Session | None, new_password: str, old_password: str | None, client: Client
) -> None:
    """Replaces the password and ends every session but this one.

    Args:
        session: the one to keep, if there is one.

    Raises:
        OldPasswordRequired, OldPasswordIncorrect, AccountLocked, Invalid.
    """
    if old_password is None:
        raise OldPasswordRequired
    validate_new_password(new_password, user, "new_password")
    checked = check_password(address=user.email, password=old_password, client=client)
    if checked is None:
        raise OldPasswordIncorrect
    encoded = hashing.hashed(new_password, user.email)
    with transaction.atomic():
        current = User.objects.locked(pk=user.pk, password=checked.password)
        if current is None:
            raise OldPasswordIncorrect  # somebody else has just changed it
        set_password(current, encoded, Kind.PASSWORD_CHANGED, client, keep=session)


def set_password(user: User, encoded: str, kind: Kind, client: Client, *, keep: Session | None = None) -> None:
    """Stores a new hash and does what goes with it, in the caller's transaction."""
    user.password = encoded
    user.save(update_fields=["password", "is_verified", "updated_at"])
    end_sessions(user, Session.End.PASSWORD, keep=keep)
    record(kind, by=Actor.user(user, client), address=user.email, user=user)
    enqueue(Mail.Kind.PASSWORD_CHANGED, user.email, circumstances(client))
