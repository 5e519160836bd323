"""A user's own account: renaming it, deleting it."""

from axes.models import AccessFailureLog
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts import lockout
from accounts.flows.passwords import change_password
from accounts.models import Mail, PasswordReset, Session, User
from peerprep_users.clients import Client
from peerprep_users.errors import NotAuthenticated, Refusal


class LastAdmin(Refusal):
    status = 409
    code = "last_admin"
    detail = "This is the last active admin. Make somebody else an admin first."


def update_profile(
    *,
    user: User,
    session: Session,
    client: Client,
    name: str | None = None,
    new_password: str | None = None,
    old_password: str | None = None,
) -> User:
    """Changes the name, the password, or both. Where the password is refused, the name stays too.

    Raises:
        OldPasswordRequired, OldPasswordIncorrect, AccountLocked, Invalid: see `change_password`.
        NotAuthenticated: the account has just been deleted.
    """
    if new_password is not None:
        change_password(user=user, session=session, new_password=new_password, old_password=old_password, client=client)
    if name is not None:
        user.name = name
        if not User.objects.filter(pk=user.pk).update(name=name, updated_at=timezone.now()):
            raise NotAuthenticated
    return user


def delete_account(*, user: User) -> None:
    """Deletes the user and all that is theirs, in whatever app it is.

    Raises:
        LastAdmin: nobody would be left to administer the service.
        NotAuthenticated: the account has just been deleted.
    """
    with transaction.atomic():
        held, admins = User.objects.locked_with_admins(user)  # and nothing is written for the user any more
        if admins == {user.pk}:
            raise LastAdmin
        if held is None:
            raise NotAuthenticated
        revoked = OutstandingToken.objects.filter(user=user)
        list(revoked.select_for_update().order_by("pk").values_list("pk"))  # in the order in which a purge takes them
        revoked.delete()
        Mail.objects.filter(to=user.email).delete()
        PasswordReset.objects.filter(address=user.email).delete()
        AccessFailureLog.objects.filter(username=user.email).delete()
        lockout.clear(user.email)
        held.delete()
