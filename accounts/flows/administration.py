"""What admins and operators do to accounts. Each flow writes an entry to the audit trail.

The `user` that is passed may be stale: each flow locks the row and reads it again, and raises NotFound if the account
has been deleted. A flow that finds nothing to change writes no entry, and returns False.
"""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import login_guard
from accounts.addresses import normalised, validate_address
from accounts.audit.log import Actor, Kind, record
from accounts.flows.passwords import set_password, validate_new_password
from accounts.flows.profile import delete_user, lock_unless_last_admin
from accounts.flows.registration import EmailTaken
from accounts.flows.sessions import end, end_sessions
from accounts.hashing import hashed
from accounts.mail.messages import can_be_sent_again
from accounts.mail.queue import ALL_MAIL, enqueue
from accounts.models import Mail, Role, Session, User, default_name
from core.errors import ApiError, NotFound
from core.events import emit
from core.jobs import new_work
from core.models import Event


class ReasonRequired(ApiError):
    status = 422
    code = "reason_required"
    detail = "A reason is required."


class InvalidAddress(ApiError):
    status = 422
    code = "invalid_address"
    detail = "Enter a valid e-mail address."


class AlreadyVerified(ApiError):
    status = 409
    code = "already_verified"
    detail = "The address is already verified."


class AccountDeactivated(ApiError):
    status = 409
    code = "account_deactivated"
    detail = "The account is deactivated and gets no mail. Reactivate it first."


class TooManyMails(ApiError):
    status = 429
    code = "too_many_mails"
    detail = "This address has had as many mails as it gets for now. Try again later."


def lock_account(user: User) -> User:
    """The account, active or not, its row locked until the transaction ends."""
    account = User.objects.lock_any(pk=user.pk)
    if account is None:
        raise NotFound
    return account


def change(
    user: User, field: str, value: Any, *, kind: Kind, by: Actor, reason: str = "", event: Event.Type | None = None
) -> bool:
    """Sets one field of the account; False if it has that value already."""
    with transaction.atomic():
        account = lock_account(user)
        if getattr(account, field) == value:
            return False
        setattr(account, field, value)
        account.save(update_fields=[field, "updated_at"])
        record(kind, by=by, address=account.email, user=account, reason=reason)
        if event:
            emit(event, account.pk)
        return True


def new_address(email: str) -> str:
    """The address, normalised.

    Raises:
        InvalidAddress.
        EmailTaken: it has an account.
    """
    address = normalised(email)
    try:
        validate_address(address)
    except ValidationError:
        raise InvalidAddress from None
    if User.objects.filter(email=address).exists():
        raise EmailTaken
    return address


def invite(*, email: str, name: str, by: Actor) -> User:
    """Creates an account without a password, and mails its owner a link to choose one, which verifies the address.

    Raises:
        InvalidAddress, EmailTaken, TooManyMails.
    """
    address = new_address(email)
    try:
        with transaction.atomic():
            user = User.objects.create_user(address, name=name)
            record(Kind.ACCOUNT_CREATED, by=by, address=address, user=user, role=user.role)
            emit(Event.Type.USER_REGISTERED, user.pk, role=user.role, is_verified=False)
            queue_mail(user, Mail.Kind.VERIFICATION)
            return user
    except IntegrityError:
        raise EmailTaken from None


def create_admin(*, email: str, password: str, by: Actor) -> User:
    """Creates a verified admin account.

    Raises:
        InvalidAddress, EmailTaken.
        Invalid: the password is too weak.
    """
    address = new_address(email)
    validate_new_password(password, User(email=address, name=default_name(address)), "password")
    try:
        with transaction.atomic():
            user = User.objects.create_superuser(address, password)
            record(Kind.ACCOUNT_CREATED, by=by, address=address, user=user, role=Role.ADMIN.value)
            emit(Event.Type.USER_REGISTERED, user.pk, role=user.role, is_verified=user.is_verified)
            return user
    except IntegrityError:
        raise EmailTaken from None


def rename(*, user: User, name: str, by: Actor) -> bool:
    """Changes the name. The entry has neither name, since it outlives the account."""
    return change(user, "name", name, kind=Kind.ACCOUNT_RENAMED, by=by, event=Event.Type.USER_RENAMED)


def change_password(*, user: User, new_password: str, by: Actor) -> None:
    """Sets a new password and ends every session.

    Raises:
        Invalid: the password is too weak.
        TooManyHashes.
    """
    validate_new_password(new_password, user, "password")
    encoded = hashed(new_password, user.email)
    with transaction.atomic():
        set_password(lock_account(user), encoded, Kind.PASSWORD_CHANGED, by=by)


# --- Addresses, mail and locks --------------------------------------------------------------------------------------


def verify_address(*, user: User, by: Actor, reason: str = "") -> bool:
    """Marks the address as verified, without a link."""
    verified = Event.Type.USER_VERIFIED
    return change(user, "is_verified", True, kind=Kind.ADDRESS_VERIFIED, by=by, reason=reason, event=verified)


def resend_verification(*, user: User, by: Actor, reason: str = "") -> None:
    """Mails a new verification link; where the user was invited, the invitation again.

    Raises:
        AlreadyVerified, AccountDeactivated, TooManyMails.
    """
    send(user, Mail.Kind.VERIFICATION, kind=Kind.VERIFICATION_RESENT, by=by, reason=reason)


def send_reset_code(*, user: User, by: Actor, reason: str = "") -> None:
    """Mails a code for a new password, which the admin does not see.

    Raises:
        AccountDeactivated, TooManyMails.
    """
    send(user, Mail.Kind.RESET_CODE, kind=Kind.RESET_CODE_SENT, by=by, reason=reason)


def queue_mail(user: User, content: Mail.Kind) -> None:
    """Queues a mail, also where strangers have used up theirs. It does not mention the admin's device.

    Raises:
        TooManyMails.
    """
    if not enqueue(content, user.email, {"at": timezone.now().isoformat()}, bounds=[ALL_MAIL]):
        raise TooManyMails


def send(user: User, content: Mail.Kind, *, kind: Kind, by: Actor, reason: str) -> None:
    with transaction.atomic():
        account = lock_account(user)
        if content == Mail.Kind.VERIFICATION and account.is_verified:
            raise AlreadyVerified
        if not account.is_active:
            raise AccountDeactivated
        queue_mail(account, content)
        record(kind, by=by, address=account.email, user=account, reason=reason)


def resend_mail(*, mail: Mail, by: Actor, reason: str = "") -> bool:
    """Queues a dead mail again. Returns False if it is not dead, or would have nothing to say by now."""
    with transaction.atomic():
        owner = User.objects.filter(email=mail.to).first()
        if not can_be_sent_again(mail, owner) or not Mail.objects.filter(pk=mail.pk).revive():
            return False
        transaction.on_commit(new_work.set)
        record(Kind.MAIL_RESENT, by=by, address=mail.to, user=owner, reason=reason, mail=str(mail.pk), of=mail.kind)
        return True


def unlock(*, address: str, by: Actor, reason: str = "") -> datetime | None:
    """Unlocks an address and forgets its wrong passwords, whether or not it has an account.

    Returns:
        Until when it was locked; None if it was not.
    """
    with transaction.atomic():
        owner = User.objects.lock_any(email=address)  # before the guard, as wherever both are locked
        until = login_guard.locked_until(address)
        if login_guard.clear(address) and until:
            ends = until.isoformat()
            record(Kind.LOCK_OPENED, by=by, address=address, user=owner, reason=reason, locked_until=ends)
        return until


# --- Actions that need a reason -------------------------------------------------------------------------------------


def check_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonRequired


def end_all_sessions(*, user: User, by: Actor, reason: str) -> int:
    """Ends every session of the user. Returns how many.

    Raises:
        ReasonRequired.
    """
    check_reason(reason)
    with transaction.atomic():
        account = lock_account(user)
        ended = end_sessions(account, Session.EndReason.ADMIN)
        record(Kind.SESSIONS_ENDED, by=by, address=account.email, user=account, reason=reason, sessions=ended)
        return ended


def end_one_session(*, session: Session, by: Actor, reason: str) -> bool:
    """Ends one session of a user; False if it is no longer live.

    Raises:
        ReasonRequired.
    """
    check_reason(reason)
    with transaction.atomic():
        account = lock_account(session.user)
        ended = end(list(Session.objects.live().filter(pk=session.pk)), Session.EndReason.ADMIN)
        if ended:
            record(Kind.SESSIONS_ENDED, by=by, address=account.email, user=account, reason=reason, sessions=ended)
        return bool(ended)


def set_role(*, user: User, role: str, by: Actor, reason: str = "") -> bool:
    """Makes a user an admin, or an admin a user.

    Raises:
        LastAdmin: no admin would be left.
        ReasonRequired: an admin loses the role.
    """
    with transaction.atomic():
        account = lock_account(user) if role == Role.ADMIN else lock_unless_last_admin(user)
        before, account.role = account.role, Role(role)
        if before == account.role:
            return False
        if before == Role.ADMIN:
            check_reason(reason)
        account.save(update_fields=["role", "updated_at"])
        roles = {"from": before, "to": account.role.value}
        record(Kind.ROLE_CHANGED, by=by, address=account.email, user=account, reason=reason, **roles)
        emit(Event.Type.USER_ROLE_CHANGED, account.pk, role=account.role)
        return True


def deactivate(*, user: User, by: Actor, reason: str) -> bool:
    """Ends every session, and refuses logins until the account is reactivated.

    Raises:
        LastAdmin, ReasonRequired.
    """
    check_reason(reason)
    with transaction.atomic():
        account = lock_unless_last_admin(user)
        if not account.is_active:
            return False
        account.is_active = False
        account.save(update_fields=["is_active", "updated_at"])
        ended = end_sessions(account, Session.EndReason.ADMIN)
        record(Kind.ACCOUNT_DEACTIVATED, by=by, address=account.email, user=account, reason=reason, sessions=ended)
        emit(Event.Type.USER_DEACTIVATED, account.pk)
        return True


def reactivate(*, user: User, by: Actor, reason: str = "") -> bool:
    """Allows logins again. Sessions that were ended stay ended."""
    return change(user, "is_active", True, kind=Kind.ACCOUNT_REACTIVATED, by=by, reason=reason)


def delete(*, user: User, by: Actor, reason: str) -> None:
    """Deletes the account and everything stored about the user.

    Raises:
        LastAdmin, ReasonRequired.
    """
    check_reason(reason)
    delete_user(user=user, by=by, reason=reason)


def record_export(*, user: User, by: Actor, reason: str = "") -> None:
    """Writes the audit entry of an export that is about to start."""
    with transaction.atomic():
        account = lock_account(user)
        record(Kind.ACCOUNT_EXPORTED, by=by, address=account.email, user=account, reason=reason)
