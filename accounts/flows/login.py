"""Logging in."""

from django.db import transaction

from accounts.flows.passwords import check_password
from accounts.flows.sessions import EmailNotVerified, TokenPair, note_device, start_session
from accounts.leases import Busy
from accounts.login_guard import AccountLocked
from accounts.metrics import LOGINS
from accounts.models import User
from core.client import Client
from core.errors import ApiError
from core.metrics import count_outcomes


class InvalidCredentials(ApiError):
    status = 401
    code = "invalid_credentials"
    detail = "The e-mail address or the password is not right."


@count_outcomes(LOGINS, InvalidCredentials, EmailNotVerified, AccountLocked, Busy)
def log_in(*, email: str, password: str, client: Client) -> TokenPair:
    """Starts a session for whoever knows the password of a verified account.

    A deactivated account is answered like one that does not exist.

    Raises:
        InvalidCredentials, EmailNotVerified, AccountLocked, Busy.
    """
    user = owner_of(email, password, client)
    if not user.is_verified:
        raise EmailNotVerified
    with transaction.atomic():
        held = User.objects.locked(pk=user.pk, password=user.password)
        if held is None:
            raise InvalidCredentials  # the password has been changed since it was checked
        note_device(held, client)
        return TokenPair.of(start_session(held, client), held)


@count_outcomes(LOGINS)
def log_in_to_admin_site(*, email: str, password: str, client: Client) -> User:
    """Who has given their address and password there; what follows is Django's.

    Raises:
        InvalidCredentials: that is also what is said to a user who is no admin.
        EmailNotVerified, AccountLocked, Busy.
    """
    user = owner_of(email, password, client)
    if not user.is_admin:
        raise InvalidCredentials
    if not user.is_verified:
        raise EmailNotVerified
    return user


def owner_of(email: str, password: str, client: Client) -> User:
    user = check_password(address=email, password=password, client=client)
    if user is None:
        raise InvalidCredentials
    return user
