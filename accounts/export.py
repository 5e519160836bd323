"""All that this app holds about a user. The serializers say what of each kind of row, in the OpenAPI document too.

Facts only: no hash of a password or a code, and no id of a refresh token.
"""

from collections.abc import Iterator
from typing import Any

from axes.models import AccessFailureLog
from rest_framework import serializers
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import (
    AuditEntry,
    ConfirmationGuess,
    KnownDevice,
    LoginGuard,
    Mail,
    PasswordReset,
    Session,
    User,
)
from accounts.serializers import ProfileSerializer
from core.api import ApiSerializer, shared

Section = tuple[str, Any]  # its name, and a value or an iterator over rows


class FactsField(serializers.DictField):
    """The facts of an audit entry: each kind has its own."""

    documented = {"additionalProperties": {"type": ["string", "integer", "boolean", "null"]}}


class StoredProfileSerializer(ProfileSerializer):
    is_verified = serializers.BooleanField()
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class StoredSessionSerializer(ApiSerializer):
    id = serializers.UUIDField()
    user_agent = serializers.CharField()
    ip = serializers.IPAddressField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    rotated_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    end_reason = serializers.ChoiceField(["", *Session.EndReason.values], help_text="Empty while the session is live.")


class KnownDeviceSerializer(ApiSerializer):
    name = serializers.CharField()
    first_seen_at = serializers.DateTimeField()


class RevokedTokenSerializer(ApiSerializer):
    created_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField()


class StoredCodeSerializer(ApiSerializer):
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    guesses = serializers.IntegerField()
    used_at = serializers.DateTimeField(allow_null=True)


class MailFactsSerializer(ApiSerializer):
    at = serializers.DateTimeField(required=False)
    ip = serializers.IPAddressField(required=False, allow_null=True)
    user_agent = serializers.CharField(required=False)


class StoredMailSerializer(ApiSerializer):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Mail.Kind.choices)
    to = serializers.EmailField()
    facts = MailFactsSerializer()
    state = serializers.ChoiceField(Mail.State.choices)
    created_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    tries = serializers.IntegerField()
    error = serializers.CharField()
    sent_at = serializers.DateTimeField(allow_null=True)


class EntrySerializer(ApiSerializer):
    kind = serializers.ChoiceField(AuditEntry.Kind.choices)
    occurred_at = serializers.DateTimeField()
    address = serializers.CharField()
    request_id = serializers.CharField()
    reason = serializers.CharField()
    facts = FactsField(help_text="Which ones there are depends on `kind`.")


class SecurityEventSerializer(EntrySerializer):
    actor_kind = serializers.ChoiceField(AuditEntry.ActorKind.choices)
    ip = serializers.IPAddressField(required=False, allow_null=True)
    user_agent = serializers.CharField(required=False)


class AdminActionSerializer(EntrySerializer):
    ip = serializers.IPAddressField(allow_null=True)
    user_agent = serializers.CharField()


class FailureCountSerializer(ApiSerializer):
    failures = serializers.IntegerField()
    failed_at = serializers.DateTimeField()


class FailedLoginSerializer(ApiSerializer):
    attempt_time = serializers.DateTimeField()
    ip_address = serializers.IPAddressField(allow_null=True)
    user_agent = serializers.CharField()
    path_info = serializers.CharField()
    locked_out = serializers.BooleanField()


class StoredGuessSerializer(ApiSerializer):
    guessed_at = serializers.DateTimeField()
    is_wrong = serializers.BooleanField()


class AccountSectionsSerializer(ApiSerializer):
    profile = StoredProfileSerializer()
    sessions = StoredSessionSerializer(many=True)
    known_devices = KnownDeviceSerializer(many=True)
    revoked_refresh_tokens = RevokedTokenSerializer(many=True)
    reset_codes = StoredCodeSerializer(many=True)
    mails = StoredMailSerializer(many=True)
    security_events = SecurityEventSerializer(many=True)
    failed_login_counts = FailureCountSerializer(many=True)
    failed_logins = FailedLoginSerializer(many=True)
    confirmation_guesses = StoredGuessSerializer(many=True)
    admin_actions = AdminActionSerializer(many=True)

    example = {
        "profile": {
            **ProfileSerializer.example,
            "is_verified": True,
            "is_active": True,
            "created_at": "2026-11-24T12:00:00Z",
            "updated_at": "2026-11-24T12:00:00Z",
        },
        "sessions": [],
        "known_devices": [{"name": "Firefox on Linux", "first_seen_at": "2026-11-24T12:00:00Z"}],
        "revoked_refresh_tokens": [],
        "reset_codes": [],
        "mails": [],
        "security_events": [],
        "failed_login_counts": [],
        "failed_logins": [],
        "confirmation_guesses": [],
        "admin_actions": [],
    }


def export_account(*, user: User) -> Iterator[Section]:
    """A section at a time."""
    address = user.email
    yield "profile", User.objects.values(*columns_of(StoredProfileSerializer)).get(pk=user.pk)
    yield "sessions", rows(Session.objects.filter(user=user).order_by("created_at"), StoredSessionSerializer)
    yield "known_devices", rows(KnownDevice.objects.filter(user=user).order_by("pk"), KnownDeviceSerializer)
    revoked = OutstandingToken.objects.filter(user=user).order_by("pk")
    yield "revoked_refresh_tokens", rows(revoked, RevokedTokenSerializer)
    yield "reset_codes", rows(PasswordReset.objects.filter(address=address), StoredCodeSerializer)
    yield "mails", rows(Mail.objects.filter(to=address).order_by("created_at"), StoredMailSerializer)
    yield "security_events", map(disclosed, AuditEntry.objects.filter(user_id=user.pk).order_by("pk").iterator())
    yield "failed_login_counts", rows(LoginGuard.objects.filter(address=address), FailureCountSerializer)
    failures = AccessFailureLog.objects.filter(username=address).order_by("attempt_time")
    yield "failed_logins", rows(failures, FailedLoginSerializer)
    guesses = ConfirmationGuess.objects.filter(user=user).order_by("guessed_at")
    yield "confirmation_guesses", rows(guesses, StoredGuessSerializer)
    done = AuditEntry.objects.filter(actor_id=user.pk, actor_kind=AuditEntry.ActorKind.ADMIN).order_by("pk")
    yield "admin_actions", (values_of(entry, AdminActionSerializer) for entry in done.iterator())


def columns_of(serializer: type[ApiSerializer]) -> list[str]:
    return list(shared(serializer).fields)


def rows(found: Any, serializer: type[ApiSerializer]) -> Iterator[dict[str, Any]]:
    selected: Iterator[dict[str, Any]] = found.values(*columns_of(serializer)).iterator()
    return selected


def values_of(entry: AuditEntry, serializer: type[ApiSerializer]) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in columns_of(serializer)}


def disclosed(entry: AuditEntry) -> dict[str, Any]:
    """An entry as its user may read it: an admin's device is the admin's own business."""
    facts = values_of(entry, SecurityEventSerializer)
    if entry.actor_kind == AuditEntry.ActorKind.ADMIN:
        del facts["ip"], facts["user_agent"]
    return facts
