"""Changing passwords, and what a new one may be."""

from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import login_guard
from accounts.audit.log import Actor, Kind, record
from accounts.flows.confirmation import OldPasswordIncorrect, confirm_password
from accounts.flows.sessions import end_sessions
from accounts.hashing import own_slot, own_turn
from accounts.mail.queue import circumstances, enqueue
from accounts.models import ConfirmationGuess, Mail, Session, User
from core.client import Client
from core.concurrency import request_slots
from core.errors import ApiError, Invalid
from core.events import emit
from core.models import Event


class OldPasswordRequired(ApiError):
    status = 400
    code = "old_password_required"
    detail = "Enter the old password to change it."


def validate_new_password(password: str, user: User, field: str) -> None:
    """Refuses a password that is common, or only repeats the user's address or name.

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
        OldPasswordRequired, OldPasswordIncorrect, TooManyConfirmations, TooManyHashes, NotAuthenticated, Invalid.
    """
    if old_password is None:
        raise OldPasswordRequired
    validate_new_password(new_password, user, "new_password")
    confirmed = confirm_password(user=user, password=old_password)
    with own_slot(user), own_turn():
        encoded = make_password(new_password)
    request_slots.take_turn(user.pk)
    with transaction.atomic():
        current = User.objects.lock_active(pk=user.pk, password=confirmed)
        if current is None:
            raise OldPasswordIncorrect  # another call has just changed it
        set_password(current, encoded, Kind.PASSWORD_CHANGED, by=Actor.user(current, client), keep=session)


def set_password(user: User, encoded: str, kind: Kind, *, by: Actor, keep: Session | None = None) -> None:
    """Stores a new hash and does what goes with it, in the caller's transaction: a mail, unless it is by invitation."""
    user.password = encoded
    user.save(update_fields=["password", "is_verified", "updated_at"])
    ConfirmationGuess.objects.filter(user=user).delete()
    end_sessions(user, Session.EndReason.PASSWORD, keep=keep)
    record(kind, by=by, address=user.email, user=user)
    if kind != Kind.PASSWORD_CHOSEN:
        enqueue(Mail.Kind.PASSWORD_CHANGED, user.email, circumstances(by.client))


def set_password_by_mail(user: User, encoded: str, kind: Kind, *, client: Client) -> None:
    """The same for one that a mailed link or code let the user choose: it proves the mailbox, and opens a lock."""
    if not user.is_verified:
        user.is_verified = True
        emit(Event.Type.USER_VERIFIED, user.pk)
    set_password(user, encoded, kind, by=Actor.user(user, client))
    login_guard.clear(user.email)
