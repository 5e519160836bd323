"""A user's own account: changing its name or password, deleting it."""

from typing import Any
from uuid import UUID

from axes.models import AccessFailureLog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts import login_guard
from accounts.audit.log import Actor, Kind, erase, record
from accounts.flows.passwords import change_password
from accounts.flows.revocations import record_revocations
from accounts.models import Mail, PasswordReset, Role, Session, User
from core.client import Client
from core.errors import ApiError, NotAuthenticated, NotFound
from core.events import emit
from core.models import Event


class LastAdmin(ApiError):
    status = 409
    code = "last_admin"
    detail = "This is the last admin who can sign in. Make another user an admin first."


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
        OldPasswordRequired, OldPasswordIncorrect, TooManyConfirmations, Invalid: see `change_password`.
        NotAuthenticated: the account has just been deleted.
    """
    user.name = name if name is not None else user.name
    if new_password is not None:
        change_password(user=user, session=session, new_password=new_password, old_password=old_password, client=client)
    if name is not None and not rename_user(user, name):
        raise NotAuthenticated
    return user


def rename_user(user: User, name: str) -> bool:
    """False if the account has just been deleted."""
    row = User.objects.filter(pk=user.pk)
    with transaction.atomic(savepoint=False):
        if row.exclude(name=name).update(name=name, updated_at=timezone.now()):
            emit(Event.Type.USER_RENAMED, user.pk)
            return True
    return row.exists()


def delete_account(*, user: User, client: Client) -> None:
    """Deletes a user's own account.

    Raises:
        LastAdmin, NotAuthenticated: the account has just been deleted.
    """
    try:
        delete_user(user=user, by=Actor.user(user, client))
    except NotFound:
        raise NotAuthenticated from None


def lock_unless_last_admin(user: User) -> User:
    """The user's row and those of all admins, locked in one order until the transaction ends.

    So of two admins who demote each other at the same moment, the second finds that it is the last one.

    Raises:
        LastAdmin: without this one no admin could sign in.
        NotFound: the account has just been deleted.
    """
    rows = User.objects.select_for_update().filter(Q(role=Role.ADMIN, is_active=True) | Q(pk=user.pk)).order_by("pk")
    found = {row.pk: row for row in rows}
    if user.pk not in found:
        raise NotFound
    if found[user.pk].is_last_admin:
        raise LastAdmin
    return found[user.pk]


def delete_user(*, user: User, by: Actor, reason: str = "") -> None:
    """Deletes a user and everything stored about them; other apps' rows go by the cascade of their foreign keys.

    Raises:
        LastAdmin: no admin would be left.
        NotFound: the account has just been deleted.
    """
    with transaction.atomic():
        delete_rows_of(lock_unless_last_admin(user), by=by, reason=reason)


def delete_unverified(*, user: User) -> bool:
    """Deletes a user who has not verified the address in time; False if they just have, or are gone already."""
    with transaction.atomic():
        held = User.objects.unverified().select_for_update().filter(pk=user.pk).first()
        if held:
            delete_rows_of(held, by=Actor.service(), reason="The address was not verified in time.")
        return held is not None


def delete_rows_of(user: User, *, by: Actor, reason: str) -> None:
    """In the caller's transaction, which holds the user's row, so that nothing is written for the user meanwhile."""
    record_revocations(Session.objects.live().filter(user=user), "deleted")
    revoked = OutstandingToken.objects.filter(user=user)
    list(revoked.select_for_update().order_by("pk").values_list("pk"))  # the order in which a purge takes them
    revoked.delete()
    PasswordReset.objects.filter(address=user.email).delete()  # first: waits for a guess, which may queue a mail
    Mail.objects.filter(to=user.email).delete()
    AccessFailureLog.objects.filter(username=user.email).delete()
    login_guard.clear(user.email)
    record(Kind.ACCOUNT_DELETED, by=by, user=user, reason=reason)
    erase(user.pk)
    emit(Event.Type.USER_DELETED, user.pk)
    user.delete()


def names_of(*, ids: list[UUID]) -> list[dict[str, Any]]:
    """The names of users, in the order of the ids."""
    names = dict(User.objects.filter(pk__in=ids).values_list("pk", "name"))
    return [{"id": pk, "name": names[pk]} if pk in names else {"id": pk, "deleted": True} for pk in ids]
