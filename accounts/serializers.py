"""The shapes of what comes in and what goes out. They check fields; they never write."""

import re
from typing import Any

from django.core.validators import EmailValidator
from rest_framework import serializers

from accounts.addresses import EMAIL_LENGTH, normalised
from accounts.hashing import PASSWORD_LENGTH
from accounts.models import NAME_LENGTH, Role
from accounts.text import no_control_characters
from core.api import Shape
from core.fields import Text

TOKEN_LENGTH = 16 * 1024
CODE_LENGTH = 32


class AddressValidator(EmailValidator):
    """Stricter than Django's: no letters beyond ASCII, no `localhost` or IP address after the `@`, and at most 64
    characters before it (RFC 5321 section 4.5.3.1.1).
    """

    message = "Enter a valid e-mail address."
    literal_regex = re.compile(r"(?!)")
    user_regex = re.compile(rf"(?=.{{1,64}}\Z)(?:{EmailValidator.user_regex.pattern})", re.IGNORECASE)

    def __call__(self, value: str | None) -> None:
        super().__call__(value if value and value.isascii() else "")


class Email(Text):
    """Normalised before it is checked."""

    def __init__(self) -> None:
        super().__init__(label="e-mail address", prompt="Enter an e-mail address.", max_length=EMAIL_LENGTH)
        self.validators.append(AddressValidator(allowlist=[]))

    def to_internal_value(self, data: Any) -> str:
        return normalised(super().to_internal_value(data))


class Password(Text):
    """Taken exactly as sent."""

    def __init__(self, *, min_length: int = 1, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, min_length=min_length, max_length=PASSWORD_LENGTH, **kwargs)


class NewPassword(Password):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=8, **kwargs)


class Name(Text):
    """Optional in every call that takes one."""

    def __init__(self) -> None:
        super().__init__(
            label="name", default=None, allow_null=True, max_length=NAME_LENGTH, validators=[no_control_characters]
        )


class Registration(Shape):
    email = Email()
    password = NewPassword(label="password", prompt="Enter a password.")
    name = Name()


class Login(Shape):
    email = Email()
    password = Password(label="password", prompt="Enter your password.")


class Refresh(Shape):
    refresh_token = Text(max_length=TOKEN_LENGTH)


class Address(Shape):
    email = Email()


class ResetCode(Shape):
    email = Email()
    code = Text(label="code", prompt="Enter the code from the mail.", max_length=CODE_LENGTH)


class Reset(ResetCode):
    new_password = NewPassword(label="new password", prompt="Enter a new password.")


class PasswordOnly(Shape):
    password = Password(label="password", prompt="Enter your password.")


class VerificationToken(Shape):
    token = Text(max_length=TOKEN_LENGTH)


class ProfileChange(Shape):
    name = Name()
    new_password = NewPassword(label="new password", default=None, allow_null=True)
    old_password = Password(label="old password", default=None, allow_null=True)


class TokenPair(Shape):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    refresh_token_id = serializers.UUIDField()


class RefreshedTokenPair(TokenPair):
    token_type = serializers.ChoiceField(["bearer"])


class Ok(Shape):
    ok = serializers.BooleanField()


class OkMessage(Ok):
    message = serializers.CharField()


class Message(Shape):
    message = serializers.CharField()


class ListedSession(Shape):
    id = serializers.UUIDField()
    user_agent = serializers.CharField()
    ip = serializers.IPAddressField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    current = serializers.BooleanField()


class KeySet(Shape):
    keys = serializers.ListField(child=serializers.DictField())


class Profile(Shape):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)


class IsAdmin(Shape):
    is_admin = serializers.BooleanField()
