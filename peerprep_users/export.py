"""All that the service holds about a user: for the users themselves, for admins and for operators."""

from collections.abc import Iterator

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from accounts.audit.log import Actor
from accounts.authentication import SignedInRequest
from accounts.flows import administration
from accounts.flows.profile import Section, export_account
from accounts.models import User
from accounts.serializers import ListedSessionSerializer, ProfileSerializer
from attempts.flows.history import export_history
from attempts.serializers import ListedAttemptSerializer, QuestionSerializer
from core.api import ApiSerializer, ApiViewSet
from core.downloads import TooManyDownloads, download, json_object
from core.openapi import raises


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


class RowField(serializers.DictField):
    """A row as it is stored, less its secrets."""


class AccountExportSerializer(ApiSerializer):
    profile = RowField()
    sessions = serializers.ListField(child=RowField())
    known_devices = serializers.ListField(child=RowField())
    revoked_refresh_tokens = serializers.ListField(child=RowField())
    reset_codes = serializers.ListField(child=RowField())
    mails = serializers.ListField(child=RowField())
    security_events = serializers.ListField(child=RowField())
    failed_login_counts = serializers.ListField(child=RowField())
    failed_logins = serializers.ListField(child=RowField())
    confirmation_guesses = serializers.ListField(child=RowField())
    admin_actions = serializers.ListField(child=RowField())
    attempts = serializers.ListField(child=RowField())
    questions = serializers.ListField(child=RowField())
    idempotency_keys = serializers.ListField(child=RowField())

    example = {
        "profile": ProfileSerializer.example,
        "sessions": [ListedSessionSerializer.example],
        "known_devices": [{"name": "Firefox on Linux", "first_seen_at": "2026-11-24T12:00:00Z"}],
        "revoked_refresh_tokens": [],
        "reset_codes": [],
        "mails": [],
        "security_events": [],
        "failed_login_counts": [],
        "failed_logins": [],
        "confirmation_guesses": [],
        "admin_actions": [],
        "attempts": [ListedAttemptSerializer.example],
        "questions": [QuestionSerializer.example],
        "idempotency_keys": [],
    }


class ExportViewSet(ApiViewSet):
    """`/users/me/export`."""

    tags = ["users"]

    @extend_schema(responses=AccountExportSerializer)
    @raises(TooManyDownloads)
    def export_me(self, request: SignedInRequest) -> HttpResponseBase:
        """All that the service holds about the user, as a file."""
        return download(request, json_object(export_user(user=request.user)), "application/json", "account.json")
