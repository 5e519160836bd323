"""What the OpenAPI document says about the calls of this package."""

from typing import Any

from rest_framework import serializers

from accounts.schema import PROFILE, SESSION, SIGNED_IN, users
from core.api import Shape


class Row(serializers.DictField):
    """A row as it is stored, less its secrets."""


class AccountExport(Shape):
    profile = Row()
    sessions = serializers.ListField(child=Row())
    known_devices = serializers.ListField(child=Row())
    revoked_refresh_tokens = serializers.ListField(child=Row())
    reset_codes = serializers.ListField(child=Row())
    mails = serializers.ListField(child=Row())
    security_events = serializers.ListField(child=Row())
    failed_login_counts = serializers.ListField(child=Row())
    failed_logins = serializers.ListField(child=Row())
    admin_actions = serializers.ListField(child=Row())
    attempts = serializers.ListField(child=Row())
    questions = serializers.ListField(child=Row())
    idempotency_keys = serializers.ListField(child=Row())


SECTIONS: dict[str, Any] = {str(name): [] for name in AccountExport().fields}

EXPORT = users(
    "exportMe",
    "All that the service holds about the user, as a file",
    answer=AccountExport,
    answered=SECTIONS | {"profile": PROFILE, "sessions": [SESSION]},
    errors=SIGNED_IN,
)
