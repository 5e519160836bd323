"""All that the service holds about a user: for the users themselves, for admins and for operators."""

from collections.abc import Iterator

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema

from accounts.audit.log import Actor
from accounts.authentication import SignedInRequest
from accounts.export import AccountSectionsSerializer, Section, export_account
from accounts.flows import administration
from accounts.models import User
from attempts.flows.history import export_history
from attempts.serializers import ExportedAttemptSerializer, QuestionSerializer, StoredKeySerializer
from core.api import ApiViewSet
from core.downloads import TooManyDownloads, download, json_object
from core.openapi import raises


def export_user(*, user: User) -> Iterator[Section]:
    """What each app holds about the user, a section at a time."""
    yield from export_account(user=user)
    yield from export_history(user=user)


def export_for_admin(*, user: User, by: Actor, reason: str = "") -> Iterator[Section]:
    """The same, after an audit entry: a download that is refused takes no section, and leaves no entry.

    Raises:
        NotFound: when the first section is taken.
    """
    administration.record_export(user=user, by=by, reason=reason)
    yield from export_user(user=user)


class AccountExportSerializer(AccountSectionsSerializer):
    attempts = ExportedAttemptSerializer(many=True)
    questions = QuestionSerializer(many=True)
    idempotency_keys = StoredKeySerializer(many=True)

    example = {
        **AccountSectionsSerializer.example,
        "attempts": [ExportedAttemptSerializer.example],
        "questions": [QuestionSerializer.example],
        "idempotency_keys": [],
    }


class ExportViewSet(ApiViewSet):
    """`/users/me/export`."""

    tags = ["users"]

    @extend_schema(responses=AccountExportSerializer)
    @raises(TooManyDownloads)
    def export_me(self, request: SignedInRequest) -> HttpResponseBase:
        """All that the service holds about the user, as a file.

        Each row as it is stored, without its secrets: no hash, no code, no id of a refresh token.
        """
        return download(request, json_object(export_user(user=request.user)), "application/json", "account.json")
