"""Resetting a forgotten password by a code that is mailed."""

from django.db import transaction
from django.utils.crypto import constant_time_compare

from accounts import login_guard
from accounts.audit.log import Actor, Kind
from accounts.flows.passwords import set_password, validate_new_password
from accounts.hashing import TooManyHashes, hashed
from accounts.mail.queue import circumstances, enqueue
from accounts.models import Mail, PasswordReset, User
from accounts.reset_codes import digest
from core.client import Client
from core.errors import ApiError, Invalid


class InvalidResetCode(ApiError):
    status = 401
    code = "invalid_reset_code"
    detail = "The code is wrong or has expired."


def request_code(*, email: str, client: Client) -> None:
    """Has a code mailed. An unknown address gets exactly the same treatment; the sender drops the mail."""
    enqueue(Mail.Kind.RESET_CODE, email, circumstances(client))


def guess(email: str, code: str) -> tuple[PasswordReset, User]:
    """The reset and the user that `code` is right for. Counts the guess before it compares.

    Raises:
        InvalidResetCode: alike for a wrong, old, used or worn-out code and an unknown address, after the same work.
    """
    reset = PasswordReset.objects.filter(address=email).first()
    if reset is None or not PasswordReset.objects.count_guess(reset):
        raise InvalidResetCode
    user = User.objects.filter(email=email, is_active=True).first()
    if user is None or not constant_time_compare(digest(reset, code), reset.code_hash):
        raise InvalidResetCode
    return reset, user


def verify_code(*, email: str, code: str) -> None:
    """Checks the code without using it up.

    Raises:
        InvalidResetCode.
    """
    reset, _ = guess(email, code)
    PasswordReset.objects.uncount_guess(reset)


def reset_password(*, email: str, code: str, new_password: str, client: Client) -> None:
    """Replaces the password, ends every session, opens a lock, and marks the address verified: the code proved it.

    Raises:
        InvalidResetCode.
        Invalid: the new password is too easy to guess. Said only after the right code, which stays valid.
        TooManyHashes: the code stays valid.
    """
    reset, owner = guess(email, code)
    try:
        validate_new_password(new_password, owner, "new_password")
        encoded = hashed(new_password, email)
    except (Invalid, TooManyHashes):
        PasswordReset.objects.uncount_guess(reset)
        raise
    with transaction.atomic():
        user = User.objects.lock_active(pk=owner.pk)
        if user is None or not PasswordReset.objects.use(reset):
            raise InvalidResetCode
        user.is_verified = True
        set_password(user, encoded, Kind.PASSWORD_RESET, by=Actor.user(user, client))
        login_guard.clear(email)
