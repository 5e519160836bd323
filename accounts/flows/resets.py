"""Resetting a forgotten password by a code that is mailed."""

from datetime import timedelta

from django.db import transaction
from django.utils.crypto import constant_time_compare

from accounts import login_guard
from accounts.audit.log import Kind
from accounts.flows.passwords import set_password, validate_new_password
from accounts.hashing import TooManyHashes, hashed
from accounts.mail.queue import enqueue_on_demand
from accounts.models import Mail, PasswordReset, User
from accounts.reset_codes import digest
from core.client import Client
from core.errors import ApiError, Invalid

PAUSE = timedelta(minutes=1)


class InvalidResetCode(ApiError):
    status = 401
    code = "invalid_reset_code"
    detail = "The code is not right, or not valid any more."


def request_code(*, email: str, client: Client) -> None:
    """Asks for a code to be mailed. For an unknown address exactly the same is done; the sender finds out.

    At most one mail a minute and five an hour go to an address. Of several requests at once, one asks.
    """
    enqueue_on_demand(Mail.Kind.RESET_CODE, email, client, pause=PAUSE)


def guess(email: str, code: str) -> tuple[PasswordReset, User]:
    """What `code` is right for. Counts the guess before it compares, whatever comes of it.

    Raises:
        InvalidResetCode: alike for a wrong, old, used or worn-out code and an unknown address, after the same work.
    """
    reset = PasswordReset.objects.filter(address=email).first()
    if reset is None or not PasswordReset.objects.count_guess(reset):
        raise InvalidResetCode
    if not constant_time_compare(digest(reset, code), reset.code_hash):
        raise InvalidResetCode
    user = User.objects.filter(email=email, is_active=True).first()
    if user is None:
        raise InvalidResetCode
    return reset, user


def verify_code(*, email: str, code: str) -> None:
    """Tells whether the code is right, without using it up.

    Raises:
        InvalidResetCode.
    """
    reset, _ = guess(email, code)
    PasswordReset.objects.return_guess(reset)


def reset_password(*, email: str, code: str, new_password: str, client: Client) -> None:
    """Replaces the password, ends every session, opens a lock, and marks the address verified: the code proved it.

    Raises:
        InvalidResetCode.
        Invalid: the new password is too easy to guess. Only told to whoever knows the code, which stays good.
        TooManyHashes: the code stays good.
    """
    reset, owner = guess(email, code)
    try:
        validate_new_password(new_password, owner, "new_password")
        encoded = hashed(new_password, email)
    except (Invalid, TooManyHashes):
        PasswordReset.objects.return_guess(reset)
        raise
    with transaction.atomic():
        user = User.objects.locked(pk=owner.pk)
        if user is None or not PasswordReset.objects.use(reset):
            raise InvalidResetCode
        user.is_verified = True
        set_password(user, encoded, Kind.PASSWORD_RESET, client)
        login_guard.clear(email)
