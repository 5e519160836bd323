"""What comes in and what goes out. Serializers check fields; they never write."""

import re
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.addresses import EMAIL_LENGTH, normalised, validate_address
from accounts.models import NAME_LENGTH, Role, Session
from accounts.password_validators import MIN_PASSWORD_LENGTH, PASSWORD_LENGTH
from accounts.text import no_control_characters
from accounts.tokens.jwt import TOKEN_LENGTH
from core.api import ApiSerializer
from core.fields import QueryInteger, QueryText, Text

CODE_LENGTH = 32
MOST_NAMES = 100
LATEST = 10**17  # microseconds since 1970: beyond the year 5000
UUID_PATTERN = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class Email(Text):
    """Normalised before it is checked."""

    def __init__(self) -> None:
        super().__init__(label="e-mail address", prompt="Enter an e-mail address.", max_length=EMAIL_LENGTH)
        self.validators.append(validate_address)

    def to_internal_value(self, data: Any) -> str:
        return normalised(super().to_internal_value(data))


class Password(Text):
    """Taken exactly as sent."""

    def __init__(self, *, min_length: int = 1, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, min_length=min_length, max_length=PASSWORD_LENGTH, **kwargs)


class NewPassword(Password):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=MIN_PASSWORD_LENGTH, **kwargs)


class Name(Text):
    """Optional in every call that takes one."""

    def __init__(self) -> None:
        super().__init__(
            label="name", default=None, allow_null=True, max_length=NAME_LENGTH, validators=[no_control_characters]
        )


class Token(Text):
    documented = {"pattern": "^[!-~]+$"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=TOKEN_LENGTH, **kwargs)


EXAMPLE_EMAIL = "alice@example.com"
EXAMPLE_PHRASE = "correct horse battery"
EXAMPLE_TOKENS = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl",
    "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.YW5vdGhlcg",
    "refresh_token_id": "5f0c3bb2-3c0e-4c7e-9d0e-0d6f6f1f7c11",
}

# --- What comes in --------------------------------------------------------------------------------------------------


class RegistrationSerializer(ApiSerializer):
    email = Email()
    password = NewPassword(label="password", prompt="Enter a password.")
    name = Name()

    example = {"email": EXAMPLE_EMAIL, "password": EXAMPLE_PHRASE, "name": "Alice"}


class LoginSerializer(ApiSerializer):
    email = Email()
    password = Password(label="password", prompt="Enter your password.")

    example = {"email": EXAMPLE_EMAIL, "password": EXAMPLE_PHRASE}


class RefreshSerializer(ApiSerializer):
    refresh_token = Token()

    example = {"refresh_token": EXAMPLE_TOKENS["refresh_token"]}


class AddressSerializer(ApiSerializer):
    email = Email()

    example = {"email": EXAMPLE_EMAIL}


class ResetCodeSerializer(ApiSerializer):
    email = Email()
    code = Text(label="code", prompt="Enter the code from the mail.", max_length=CODE_LENGTH)

    example = {"email": EXAMPLE_EMAIL, "code": "042117"}


class ResetSerializer(ResetCodeSerializer):
    new_password = NewPassword(label="new password", prompt="Enter a new password.")

    example = {**ResetCodeSerializer.example, "new_password": EXAMPLE_PHRASE}


class PasswordSerializer(ApiSerializer):
    password = Password(label="password", prompt="Enter your password.")

    example = {"password": EXAMPLE_PHRASE}


class VerificationTokenSerializer(ApiSerializer):
    token = Token(help_text="The token from the link in the mail.")

    example = {"token": "WyIwYjZjMWY1ZSIsImFsaWNlQGV4YW1wbGUuY29tIl0:1vN:c2ln"}


class FirstPasswordSerializer(ApiSerializer):
    """The form of the page that an invitation leads to."""

    token = Token()
    new_password = NewPassword(label="password", prompt="Enter a password.")


class TokenSerializer(ApiSerializer):
    token = Token()

    example = {"token": EXAMPLE_TOKENS["access_token"]}


@extend_schema_field({"type": "string", "pattern": "^[0-9]{1,17}$"})
class RevocationCursor(QueryInteger):
    """Text for clients, as `next` is."""


class RevocationQuerySerializer(ApiSerializer):
    since = RevocationCursor(
        min_value=0, max_value=LATEST, required=False, help_text="The `next` of the previous response."
    )

    example = {"since": "1764072000000000"}


class Ids(QueryText):
    """UUIDs, comma-separated, each once."""

    default_error_messages = {"ids": f"must be 1 to {MOST_NAMES} UUIDs, separated by commas."}
    documented = {"pattern": f"^{UUID_PATTERN}(,{UUID_PATTERN}){{0,{MOST_NAMES - 1}}}$"}

    def __init__(self) -> None:
        super().__init__(help_text=f"Up to {MOST_NAMES} ids of users, separated by commas.")

    def to_internal_value(self, data: Any) -> list[UUID]:  # type: ignore[override]
        sent = super().to_internal_value(data).split(",", MOST_NAMES)
        if len(sent) > MOST_NAMES or not all(re.fullmatch(UUID_PATTERN, each) for each in sent):
            self.fail("ids")
        return list(dict.fromkeys(map(UUID, sent)))


class NamesQuerySerializer(ApiSerializer):
    ids = Ids()

    example = {"ids": "0b6c1f5e-8f5f-4a53-a0bb-3f6a2a4f2c9d,761ff17f-7d65-4c43-ac6b-0eae10def4e0"}


class ProfileChangeSerializer(ApiSerializer):
    name = Name()
    new_password = NewPassword(label="new password", default=None, allow_null=True)
    old_password = Password(label="old password", default=None, allow_null=True)

    example = {"name": "Alice", "old_password": EXAMPLE_PHRASE, "new_password": "another horse altogether"}


# --- What goes out --------------------------------------------------------------------------------------------------


class TokenPairSerializer(ApiSerializer):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    refresh_token_id = serializers.UUIDField()

    example = EXAMPLE_TOKENS


class RefreshedTokenPairSerializer(TokenPairSerializer):
    token_type = serializers.ChoiceField(["bearer"])

    example = {**EXAMPLE_TOKENS, "token_type": "bearer"}


class OkSerializer(ApiSerializer):
    ok = serializers.BooleanField()

    example = {"ok": True}


class OkMessageSerializer(OkSerializer):
    message = serializers.CharField()

    example = {"ok": True, "message": "Logged out successfully"}


class MessageSerializer(ApiSerializer):
    message = serializers.CharField()

    example = {"message": "Account deleted successfully."}


class GreetingSerializer(MessageSerializer):
    example = {"message": "Welcome, Alice!"}


class ListedSessionSerializer(ApiSerializer):
    id = serializers.UUIDField()
    user_agent = serializers.CharField()
    ip = serializers.IPAddressField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    current = serializers.BooleanField()

    example = {
        "id": "761ff17f-7d65-4c43-ac6b-0eae10def4e0",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "ip": "192.0.2.7",
        "created_at": "2026-11-24T12:00:00Z",
        "last_used_at": "2026-11-24T12:05:00Z",
        "expires_at": "2026-12-24T12:00:00Z",
        "current": True,
    }


class KeySerializer(ApiSerializer):
    """`e` and `n` are an RSA key's; `crv` and `x` the others', `y` one of P-256."""

    kty = serializers.ChoiceField(["RSA", "EC", "OKP"])
    kid = serializers.CharField()
    alg = serializers.ChoiceField(["RS256", "ES256", "EdDSA"])
    use = serializers.ChoiceField(["sig"])
    e = serializers.CharField(required=False)
    n = serializers.CharField(required=False)
    crv = serializers.CharField(required=False)
    x = serializers.CharField(required=False)
    y = serializers.CharField(required=False)


class KeySetSerializer(ApiSerializer):
    keys = KeySerializer(many=True)

    example = {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
                "alg": "EdDSA",
                "use": "sig",
            }
        ]
    }


class ProfileSerializer(ApiSerializer):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)

    example = {
        "id": "0b6c1f5e-8f5f-4a53-a0bb-3f6a2a4f2c9d",
        "email": EXAMPLE_EMAIL,
        "name": "Alice",
        "role": "USER",
    }


class IsAdminSerializer(ApiSerializer):
    is_admin = serializers.BooleanField()

    example = {"is_admin": False}


class IntrospectionSerializer(ApiSerializer):
    active = serializers.BooleanField()
    sub = serializers.UUIDField(required=False)
    sid = serializers.UUIDField(required=False)
    role = serializers.ChoiceField(Role.choices, required=False)
    exp = serializers.IntegerField(required=False)

    example = {
        "active": True,
        "sub": "0b6c1f5e-8f5f-4a53-a0bb-3f6a2a4f2c9d",
        "sid": "761ff17f-7d65-4c43-ac6b-0eae10def4e0",
        "role": "USER",
        "exp": 1764072900,
    }


class RevocationSerializer(ApiSerializer):
    sid = serializers.UUIDField()
    user_id = serializers.UUIDField()
    reason = serializers.ChoiceField([*Session.EndReason.values, "deleted"])
    at = serializers.DateTimeField()


class RevocationsSerializer(ApiSerializer):
    events = RevocationSerializer(many=True)
    next = serializers.CharField(help_text="The `since` of the next call.")

    example = {
        "events": [
            {
                "sid": "761ff17f-7d65-4c43-ac6b-0eae10def4e0",
                "user_id": "0b6c1f5e-8f5f-4a53-a0bb-3f6a2a4f2c9d",
                "reason": "logout",
                "at": "2026-11-24T12:00:00Z",
            }
        ],
        "next": "1764072000000000",
    }


class NameSerializer(ApiSerializer):
    id = serializers.UUIDField()
    name = serializers.CharField(required=False)
    deleted = serializers.BooleanField(required=False, help_text="`true` for a deleted user, otherwise absent.")

    example = {"id": "0b6c1f5e-8f5f-4a53-a0bb-3f6a2a4f2c9d", "name": "Alice"}
