"""The forms of the admin site that take a password. They leave it to the flows, which count the guess."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm

from accounts.addresses import EMAIL_LENGTH
from core.errors import ApiError


def as_form_error(error: ApiError) -> ValidationError:
    """An ApiError as a form shows it."""
    return ValidationError(str(error.detail), code=error.code)


class LoginForm(AuthenticationForm):
    username = forms.EmailField(
        max_length=EMAIL_LENGTH,
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )

    def clean(self) -> dict[str, Any]:
        return self.cleaned_data


class PasswordForm(AdminOwnPasswordChangeForm):
    def clean_old_password(self) -> str:
        return str(self.cleaned_data["old_password"])
