"""Resetting a forgotten password by a code that is mailed."""

from django.db import transaction
from django.utils.crypto import constant_time_compare

from accounts.audit.log import Actor, Kind, record
from accounts.flows.passwords import set_password_by_mail, validate_new_password
from accounts.hashing import NEW_PASSWORDS, hashed
from accounts.mail.queue import circumstances, enqueue
from accounts.metrics import RESET_CODES_REFUSED
from accounts.models import Mail, PasswordReset, User
from accounts.reset_codes import digest, digits_of
from core.client import Client
from core.concurrency import request_slots
from core.errors import ApiError


class InvalidResetCode(ApiError):
    status = 401
    code = "invalid_reset_code"
    detail = "The code is wrong or has expired."


def request_code(*, email: str, client: Client) -> None:
    """Has a code mailed. An unknown address gets exactly the same treatment; the sender drops the mail."""
    enqueue(Mail.Kind.RESET_CODE, email, circumstances(client))


def guess(email: str, code: str, client: Client) -> tuple[PasswordReset, User]:
    """The reset and the user that `code` is right for. What cannot be a code costs no guess.

    Raises:
        InvalidResetCode: alike for a wrong, old, used or worn-out code and an unknown address, after the same work.
    """
    digits = digits_of(code)
    found = evaluate_code(email, digits, client) if digits else None
    if found is None:
        RESET_CODES_REFUSED.inc()
        raise InvalidResetCode
    return found


def evaluate_code(email: str, code: str, client: Client) -> tuple[PasswordReset, User] | None:
    """Compares a guess, and counts a wrong one before the next is compared: the code's row is locked."""
    with transaction.atomic():
        reset = PasswordReset.objects.lock_usable(email)
        user = User.objects.filter(email=email, is_active=True).first()
        is_right = reset is not None and constant_time_compare(digest(reset, code), reset.code_hash)
        if reset and user and is_right:
            return reset, user
        if reset:
            reset.count_wrong_guess()
            if reset.is_exhausted:
                report_exhausted(email, user, client)
    return None


def report_exhausted(email: str, user: User | None, client: Client) -> None:
    """Records that a code was guessed at too often, and mails its owner.

    An unknown address gets exactly the same treatment; its entry is rolled back, and the sender drops the mail.
    """
    with transaction.atomic():
        record(Kind.RESET_CODE_EXHAUSTED, by=Actor.anyone(client), address=email, user=user)
        transaction.set_rollback(user is None)
    enqueue(Mail.Kind.CODE_EXHAUSTED, email, circumstances(client))


def verify_code(*, email: str, code: str, client: Client) -> None:
    """Checks the code without using it up.

    Raises:
        InvalidResetCode.
    """
    guess(email, code, client)


def reset_password(*, email: str, code: str, new_password: str, client: Client) -> None:
    """Replaces the password, ends every session, opens a lock, and marks the address verified: the code proved it.

    Raises:
        InvalidResetCode.
        Invalid: the new password is too easy to guess. Said only after the right code, which stays valid.
        TooManyHashes: the code stays valid.
    """
    reset, owner = guess(email, code, client)
    validate_new_password(new_password, owner, "new_password")
    encoded = hashed(new_password, NEW_PASSWORDS)
    request_slots.take_turn(owner.pk)
    with transaction.atomic():
        user = User.objects.lock_active(pk=owner.pk)
        if user is None or not PasswordReset.objects.use(reset):
            raise InvalidResetCode
        set_password_by_mail(user, encoded, Kind.PASSWORD_RESET, client=client)
