"""What an admin does to somebody's account."""

from collections.abc import Collection

from django.db import transaction

from accounts.flows.profiles import LastAdmin
from accounts.flows.sessions import end_sessions
from accounts.models import Session, User
from peerprep_users.errors import NotFound


def change_account(*, user: User, changed: Collection[str]) -> None:
    """Stores the fields of `user` that an admin has changed. Deactivating ends the user's sessions at once.

    Raises:
        LastAdmin: nobody would be left to administer the service.
        NotFound: the account was deleted meanwhile.
    """
    with transaction.atomic():
        held, admins = User.objects.locked_with_admins(user)
        if held is None:
            raise NotFound
        for name in changed:
            setattr(held, name, getattr(user, name))
        if admins == {held.pk} and not (held.is_admin and held.is_active):
            raise LastAdmin
        held.save(update_fields=[*changed, "updated_at"])
        if not held.is_active:
            end_sessions(held, Session.End.ADMIN)
