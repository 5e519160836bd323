"""The forms of the admin site that take a password: each is held by the lock that holds the API."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm

from accounts.addresses import EMAIL_LENGTH, normalised
from accounts.flows.sessions import EmailNotVerified
from accounts.login_guard import AccountLocked, locked_until
from core.errors import ApiError


def as_form_error(error: ApiError) -> ValidationError:
    """An ApiError as a form shows it."""
    return ValidationError(str(error.detail), code=error.code)


class LoginForm(AuthenticationForm):
    api_error: ApiError | None = None  # why the login was not evaluated, or will not be from now on

    username = forms.EmailField(
        max_length=EMAIL_LENGTH,
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Enter the e-mail address and the password of an admin.",
    }

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except EmailNotVerified as error:
            raise as_form_error(error) from None
        except ApiError as error:  # too many guesses at once
            self.api_error = error
            raise as_form_error(error) from None

    def get_invalid_login_error(self) -> ValidationError:
        """Says so as soon as the account is locked. It is the same for an address that nobody has."""
        if end := locked_until(normalised(self.cleaned_data["username"])):
            self.api_error = AccountLocked(retry_after=(end - timezone.now()).total_seconds())
            return as_form_error(self.api_error)
        return super().get_invalid_login_error()


class PasswordForm(AdminOwnPasswordChangeForm):
    def clean_old_password(self) -> str:
        """Leaves the old password to the flow that changes it, which counts the guess."""
        return str(self.cleaned_data["old_password"])
