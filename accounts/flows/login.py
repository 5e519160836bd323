"""Logging in, and the one place that checks the password of a user who is not signed in."""

from contextlib import suppress
from datetime import timedelta

from axes.models import AccessFailureLog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts import hashing, login_guard
from accounts.addresses import masked
from accounts.audit.log import Actor, Kind, announce, record
from accounts.devices import device_name
from accounts.flows.sessions import SESSIONS_PER_USER, EmailNotVerified, TokenPair, end_surplus, start_session
from accounts.login_guard import AccountLocked, Busy
from accounts.mail.queue import circumstances, enqueue
from accounts.metrics import LOCKS, LOGINS
from accounts.models import KnownDevice, Mail, Session, User
from core.client import Client
from core.concurrency import request_slots
from core.errors import ApiError, Unavailable
from core.metrics import count_outcomes


class InvalidCredentials(ApiError):
    status = 401
    code = "invalid_credentials"
    detail = "The e-mail address or the password is wrong."


class NotAnAdmin(InvalidCredentials):
    """Counted with the others, and the same to an admin with a wrong password and to a user with a right one."""

    detail = "Enter the e-mail address and the password of an admin."


@count_outcomes(LOGINS, InvalidCredentials, EmailNotVerified, AccountLocked, Busy)
def log_in(*, email: str, password: str, client: Client) -> TokenPair:
    """Starts a session for the owner of a verified account.

    A deactivated account is answered like one that does not exist.

    Raises:
        InvalidCredentials, EmailNotVerified, AccountLocked, Busy, TooManyHashes.
    """
    user = check_password(address=email, password=password, client=client)
    if user is None:
        raise InvalidCredentials
    if not user.is_verified:
        raise EmailNotVerified
    return TokenPair.of(begin_session(user, client, settings.SESSION_MAX), user)


@count_outcomes(LOGINS)
def log_in_to_admin_site(*, email: str, password: str, client: Client) -> Session:
    """Starts a session for a verified admin.

    Raises:
        NotAnAdmin: also for a wrong password or an unknown address.
        EmailNotVerified, AccountLocked, Busy, TooManyHashes.
    """
    user = check_password(address=email, password=password, client=client)
    if user is None or not user.is_admin:
        raise NotAnAdmin
    if not user.is_verified:
        raise EmailNotVerified
    return begin_session(user, client, settings.ADMIN_SESSION)


def begin_session(user: User, client: Client, lasts: timedelta) -> Session:
    """Starts a session for a user whose password has been checked, and mails them if the device is new to them.

    Raises:
        InvalidCredentials: the password has been changed since, or the account deactivated.
    """
    device = device_name(client.user_agent)
    known = KnownDevice.objects.filter(user=OuterRef("pk"), name=device)
    # Half of the most: logins at once are not counted yet. Few users have as many, so few logins count exactly.
    many = Session.objects.live().filter(user=OuterRef("pk"))[SESSIONS_PER_USER // 2 :]
    users = User.objects.annotate(knows_device=Exists(known), has_many_sessions=Exists(many))
    request_slots.take_turn(user.pk)
    with transaction.atomic():
        current = (
            users.select_for_update(no_key=True).filter(pk=user.pk, password=user.password, is_active=True).first()
        )
        if current is None:
            raise InvalidCredentials
        # What is known was read before the wait for the row, so another login may have added the device meanwhile.
        if not current.knows_device and KnownDevice.objects.remember(user, device):
            enqueue(Mail.Kind.NEW_DEVICE, user.email, circumstances(client))
        session = start_session(current, client, lasts)
        if current.has_many_sessions:
            end_surplus(current)
        return session


def check_password(*, address: str, password: str, client: Client) -> User | None:
    """The active user whose address and password these are. Every call that signs a user in comes here.

    Args:
        address: normalised; counted whether or not there is an account.

    Raises:
        AccountLocked: the password was not evaluated.
        Busy: other guesses at the same account take too long.
        TooManyHashes, Unavailable: the guess does not count.
    """
    try:
        guess = login_guard.count_guess(address)
    except AccountLocked:
        if not login_guard.is_abandoned(address):
            raise
        with transaction.atomic():
            owner = User.objects.lock_any(email=address)
            if login_guard.settle_abandoned(address):
                record_failure(address, owner, client, locked=True)
        raise
    account = User.objects.filter(email=address).first()
    user = account if account and account.is_active else None
    try:
        right = hashing.matches(password, user.password if user else None, address)
        if right and user and hashing.is_outdated(user.password):
            with suppress(hashing.TooManyHashes):  # it can wait
                upgrade_hash(user, password)
    except (hashing.TooManyHashes, Unavailable):
        guess.uncount()
        raise
    if right and user:
        guess.succeed()  # only now: the next one reads the new hash
        return user
    if guess.may_lock and account:
        request_slots.take_turn(account.pk)
    with transaction.atomic():
        # The user's row before the guard, as wherever both are locked.
        owner = User.objects.lock_any(email=address) if guess.may_lock else account
        record_failure(address, owner, client, locked=guess.fail())
    return None


def upgrade_hash(user: User, password: str) -> None:
    """Replaces a hash that was made with other parameters than the present ones, unless the password was changed."""
    new = hashing.hashed(password, user.email)
    if User.objects.filter(pk=user.pk, password=user.password).update(password=new):
        user.password = new


def record_failure(address: str, owner: User | None, client: Client, *, locked: bool) -> None:
    """Records a wrong password, and mails the owner about a lock.

    For an unknown address the same is written, which takes as long, and rolled back: only a log line tells of a lock.
    """
    by = Actor.anyone(client)
    with transaction.atomic():
        AccessFailureLog.objects.create(
            username=address, ip_address=client.ip, user_agent=client.user_agent, locked_out=locked
        )
        if locked:
            record(Kind.ACCOUNT_LOCKED, by=by, address=address, user=owner)
            enqueue(Mail.Kind.ACCOUNT_LOCKED, address, circumstances(client))
        if owner is None:
            transaction.set_rollback(True)
    if locked:
        LOCKS.inc()
        if owner is None:
            announce(Kind.ACCOUNT_LOCKED, by=by, shown=masked(address))
