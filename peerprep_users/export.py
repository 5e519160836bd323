"""All that the service holds about a user: for the users themselves, for admins and for operators."""

from collections.abc import Iterator

from django.http import HttpResponseBase

from accounts.audit.log import Actor
from accounts.authentication import SignedInRequest
from accounts.flows import administration
from accounts.flows.profile import Section, export_account
from accounts.models import User
from attempts.flows.history import export_history
from core.api import ApiViewSet
from core.downloads import download, json_object
from core.openapi import documented
from peerprep_users import schema


def export_user(*, user: User) -> Iterator[Section]:
    """What each app holds about the user, a section at a time."""
    yield from export_account(user=user)
    yield from export_history(user=user)


def export_for_admin(*, user: User, by: Actor, reason: str = "") -> Iterator[Section]:
    """The same, with an audit entry.

    Raises:
        NotFound.
    """
    administration.record_export(user=user, by=by, reason=reason)
    return export_user(user=user)


@documented(retrieve=schema.EXPORT)
class ExportViewSet(ApiViewSet):
    """`/users/me/export`."""

    def retrieve(self, request: SignedInRequest) -> HttpResponseBase:
        return download(request, json_object(export_user(user=request.user)), "application/json", "account.json")
