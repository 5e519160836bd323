"""Registering, and verifying the e-mail address."""

from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit.log import Kind
from accounts.devices import device_name
from accounts.flows.passwords import set_password_by_mail, validate_new_password
from accounts.flows.sessions import TokenPair, start_session
from accounts.hashing import NEW_PASSWORDS, hashed
from accounts.mail.queue import circumstances, enqueue
from accounts.metrics import REGISTRATIONS
from accounts.models import KnownDevice, Mail, User, default_name
from accounts.tokens.jwt import read_verification_token
from core.client import Client
from core.concurrency import request_slots
from core.errors import ApiError, Invalid
from core.events import emit
from core.metrics import count_outcomes
from core.models import Event


class EmailTaken(ApiError):
    status = 409
    code = "email_taken"
    detail = "An account with this e-mail address already exists."


class InvalidVerificationToken(ApiError):
    status = 400
    code = "invalid_token"
    detail = "This link is invalid or has expired. Ask for a new one."


class ExpiredVerificationToken(InvalidVerificationToken):
    """To clients the same; the page tells its reader that the link was too old."""


@count_outcomes(REGISTRATIONS, EmailTaken, Invalid)
def register(*, email: str, password: str, name: str | None, client: Client) -> TokenPair:
    """Creates an account, signs it in and sends the verification mail.

    Raises:
        EmailTaken: also for all but one of several registrations at once; the unique constraint decides.
        Invalid: the password is too easy to guess.
    """
    user = User(email=email, name=name or default_name(email))
    validate_new_password(password, user, "password")
    if User.objects.filter(email=email).exists():
        raise EmailTaken
    user.password = hashed(password, NEW_PASSWORDS)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            KnownDevice.objects.remember(user, device_name(client.user_agent))
            enqueue(Mail.Kind.VERIFICATION, email, circumstances(client))
            emit(Event.Type.USER_REGISTERED, user.pk, role=user.role, is_verified=user.is_verified)
            return TokenPair.of(start_session(user, client), user)
    except IntegrityError:
        raise EmailTaken from None


def user_for_token(token: str) -> User:
    """The user whose address a verification link was mailed to.

    Raises:
        ExpiredVerificationToken.
        InvalidVerificationToken: forged, or of an account or address that no longer exists.
    """
    try:
        user_id, email = read_verification_token(token)
    except signing.SignatureExpired:
        raise ExpiredVerificationToken from None
    except signing.BadSignature:
        raise InvalidVerificationToken from None
    user = User.objects.filter(pk=user_id, email=email, is_active=True).first()
    if user is None:
        raise InvalidVerificationToken
    return user


def verify_email(*, token: str) -> bool:
    """Marks the address verified that the token was mailed to; False if it already was.

    Raises:
        InvalidVerificationToken: see `user_for_token`.
    """
    user = user_for_token(token)
    request_slots.take_turn(user.pk)
    if user.is_verified:
        return False
    row = User.objects.filter(pk=user.pk)
    with transaction.atomic(savepoint=False):
        if row.filter(is_verified=False).update(is_verified=True, updated_at=timezone.now()):
            emit(Event.Type.USER_VERIFIED, user.pk)
            return True
    if not row.exists():
        raise InvalidVerificationToken  # the account was deleted meanwhile
    return False


def choose_first_password(*, token: str, new_password: str, client: Client) -> bool:
    """Sets the password of a user who was invited by the mail that the token was in, which verifies the address.

    False if the user has a password already: a link works for the first one alone.

    Raises:
        InvalidVerificationToken: see `user_for_token`.
        Invalid: the password is too easy to guess.
        TooManyHashes: the link stays valid.
    """
    user = user_for_token(token)
    if user.has_usable_password():
        return False
    validate_new_password(new_password, user, "new_password")
    encoded = hashed(new_password, NEW_PASSWORDS)
    request_slots.take_turn(user.pk)
    with transaction.atomic():
        invited = User.objects.lock_active(pk=user.pk, password=user.password)
        if invited is None:
            return False  # another request was first
        set_password_by_mail(invited, encoded, Kind.PASSWORD_CHOSEN, client=client)
        return True


def request_verification(*, email: str, client: Client) -> None:
    """Sends a new link if there is an account that needs one. The answer does not tell."""
    enqueue(Mail.Kind.VERIFICATION, email, circumstances(client))
