"""What an admin, or an operator, does to somebody's account. Each flow leaves an entry in the audit trail.

`user` may be stale: each flow locks the row and reads it again. What is as it should be already is left alone, and
leaves no entry; the flow tells whether it did something.
"""

from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import login_guard
from accounts.addresses import normalised
from accounts.audit.log import Actor, Kind, record
from accounts.flows.passwords import validate_new_password
from accounts.flows.profile import LastAdmin, remove
from accounts.flows.registration import EmailTaken
from accounts.flows.sessions import end_sessions
from accounts.mail.queue import asked_often, enqueue, requeue
from accounts.models import Mail, Role, Session, User, default_name
from core.errors import ApiError, NotFound

PAUSE = timedelta(minutes=1)


class ReasonRequired(ApiError):
    status = 422
    code = "reason_required"
    detail = "Say why: it takes something away."


class NoAddress(ApiError):
    status = 422
    code = "no_address"
    detail = "This is no e-mail address."


class VerifiedAlready(ApiError):
    status = 409
    code = "verified_already"
    detail = "The address is verified already."


class GetsNoMail(ApiError):
    status = 409
    code = "gets_no_mail"
    detail = "A deactivated account gets no mail. Reactivate it first."


class TooManyMails(ApiError):
    status = 429
    code = "too_many_mails"
    detail = "Such a mail was asked for a moment ago, or five times within the hour. Try again later."


def locked(user: User) -> User:
    """The account, deactivated or not, its row locked until the transaction ends.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    held = User.objects.lock_any(pk=user.pk)
    if held is None:
        raise NotFound
    return held


def create_admin(*, email: str, password: str, by: Actor) -> User:
    """Makes a verified account that is an admin.

    Raises:
        NoAddress, EmailTaken.
        Invalid: the password is too easy to guess.
    """
    address = normalised(email)
    try:
        validate_email(address)
    except ValidationError:
        raise NoAddress from None
    validate_new_password(password, User(email=address, name=default_name(address)), "password")
    try:
        with transaction.atomic():
            user = User.objects.create_superuser(address, password)
            record(Kind.ACCOUNT_CREATED, by=by, address=address, user=user, role=Role.ADMIN.value)
            return user
    except IntegrityError:
        raise EmailTaken from None


def rename(*, user: User, name: str, by: Actor) -> bool:
    """Changes the name. The entry tells neither name: it stays when the account goes.

    Raises:
        NotFound.
    """
    with transaction.atomic():
        held = locked(user)
        if held.name == name:
            return False
        held.name = name
        held.save(update_fields=["name", "updated_at"])
        record(Kind.ACCOUNT_RENAMED, by=by, address=held.email, user=held)
        return True


# --- Addresses, mails and locks -------------------------------------------------------------------------------------


def verify_address(*, user: User, by: Actor, reason: str = "") -> bool:
    """Marks the address verified without a link.

    Raises:
        NotFound.
    """
    with transaction.atomic():
        held = locked(user)
        if held.is_verified:
            return False
        held.is_verified = True
        held.save(update_fields=["is_verified", "updated_at"])
        record(Kind.ADDRESS_VERIFIED, by=by, address=held.email, user=held, reason=reason)
        return True


def resend_verification(*, user: User, by: Actor, reason: str = "") -> None:
    """Mails a new link.

    Raises:
        NotFound, VerifiedAlready, GetsNoMail, TooManyMails.
    """
    with transaction.atomic():
        held = locked(user)
        if held.is_verified:
            raise VerifiedAlready
        send(held, Mail.Kind.VERIFICATION, pause=timedelta(0))
        record(Kind.VERIFICATION_RESENT, by=by, address=held.email, user=held, reason=reason)


def send_reset_code(*, user: User, by: Actor, reason: str = "") -> None:
    """Mails a code to choose a new password with. Nobody else learns it.

    Raises:
        NotFound, GetsNoMail, TooManyMails.
    """
    with transaction.atomic():
        held = locked(user)
        send(held, Mail.Kind.RESET_CODE, pause=PAUSE)
        record(Kind.RESET_CODE_SENT, by=by, address=held.email, user=held, reason=reason)


def send(user: User, kind: Mail.Kind, *, pause: timedelta) -> None:
    """Queues a mail within the limits that hold for everybody. It tells nothing about the admin's device."""
    if not user.is_active:
        raise GetsNoMail
    if asked_often(kind, user.email, pause=pause):
        raise TooManyMails(retry_after=PAUSE.total_seconds())
    enqueue(kind, user.email, {"at": timezone.now().isoformat()})


def resend_mail(*, mail: Mail, by: Actor, reason: str = "") -> bool:
    """Queues a dead mail again; False where it is not dead, or nobody waits for its code any more."""
    with transaction.atomic():
        revived = requeue(mail=mail)
        if revived:
            owner = User.objects.filter(email=mail.to).first()
            record(Kind.MAIL_RESENT, by=by, address=mail.to, user=owner, reason=reason, mail=str(mail.pk), of=mail.kind)
        return revived


def unlock(*, address: str, by: Actor, reason: str = "") -> datetime | None:
    """Opens the lock of an address, whether or not there is an account, and forgets its wrong passwords.

    Returns:
        Until when it was locked; None where it was not.
    """
    with transaction.atomic():
        until = login_guard.locked_until(address)
        if login_guard.clear(address) and until:
            owner, ends = User.objects.lock_any(email=address), until.isoformat()
            record(Kind.LOCK_OPENED, by=by, address=address, user=owner, reason=reason, locked_until=ends)
        return until


# --- What takes something away --------------------------------------------------------------------------------------


def required(reason: str) -> str:
    """The reason, for what is not done without one.

    Raises:
        ReasonRequired: it is blank.
    """
    if not reason.strip():
        raise ReasonRequired
    return reason


def end_all_sessions(*, user: User, by: Actor, reason: str) -> int:
    """Ends every session of the user at once, and tells how many.

    Raises:
        NotFound, ReasonRequired.
    """
    required(reason)
    with transaction.atomic():
        held = locked(user)
        ended = end_sessions(held, Session.EndReason.ADMIN)
        record(Kind.SESSIONS_ENDED, by=by, address=held.email, user=held, reason=reason, sessions=ended)
        return ended


def set_role(*, user: User, role: str, by: Actor, reason: str = "") -> bool:
    """Makes a user an admin, or an admin a user.

    Raises:
        NotFound.
        LastAdmin: nobody would be left to administer the service.
        ReasonRequired: to take ADMIN away.
    """
    with transaction.atomic():
        held, admins = User.objects.locked_with_admins(user)
        if held is None:
            raise NotFound
        before, held.role = held.role, Role(role)
        if before == held.role:
            return False
        if before == Role.ADMIN:
            required(reason)
        if admins == {held.pk}:
            raise LastAdmin
        held.save(update_fields=["role", "updated_at"])
        change = {"from": before, "to": held.role.value}
        record(Kind.ROLE_CHANGED, by=by, address=held.email, user=held, reason=reason, **change)
        return True


def deactivate(*, user: User, by: Actor, reason: str) -> bool:
    """Ends every session at once, and lets nobody sign in until the account is reactivated.

    Raises:
        NotFound, LastAdmin, ReasonRequired.
    """
    required(reason)
    with transaction.atomic():
        held, admins = User.objects.locked_with_admins(user)
        if held is None:
            raise NotFound
        if not held.is_active:
            return False
        if admins == {held.pk}:
            raise LastAdmin
        held.is_active = False
        held.save(update_fields=["is_active", "updated_at"])
        ended = end_sessions(held, Session.EndReason.ADMIN)
        record(Kind.ACCOUNT_DEACTIVATED, by=by, address=held.email, user=held, reason=reason, sessions=ended)
        return True


def reactivate(*, user: User, by: Actor, reason: str = "") -> bool:
    """Lets the owner sign in again, anew.

    Raises:
        NotFound.
    """
    with transaction.atomic():
        held = locked(user)
        if held.is_active:
            return False
        held.is_active = True
        held.save(update_fields=["is_active", "updated_at"])
        record(Kind.ACCOUNT_REACTIVATED, by=by, address=held.email, user=held, reason=reason)
        return True


def delete(*, user: User, by: Actor, reason: str) -> None:
    """Deletes the account and all that is the user's.

    Raises:
        NotFound, LastAdmin, ReasonRequired.
    """
    remove(user=user, by=by, reason=required(reason))


def record_export(*, user: User, by: Actor, reason: str = "") -> None:
    """Leaves the audit entry of an export that is about to be made.

    Raises:
        NotFound.
    """
    with transaction.atomic():
        held = locked(user)
        record(Kind.ACCOUNT_EXPORTED, by=by, address=held.email, user=held, reason=reason)
