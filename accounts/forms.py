"""The forms of the admin site that take a password: each is held by the lock that holds the API."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm

from accounts.addresses import normalised
from accounts.flows.sessions import EmailNotVerified
from accounts.lockout import AccountLocked, locked_until
from accounts.models import EMAIL_LENGTH
from peerprep_users.errors import Refusal


def told(refusal: Refusal) -> ValidationError:
    """A refusal as a form shows it."""
    return ValidationError(str(refusal.detail), code=refusal.code)


class LoginForm(AuthenticationForm):
    refusal: Refusal | None = None  # why it was not even looked at, or will not be from now on

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
        except EmailNotVerified as refusal:
            raise told(refusal) from None
        except Refusal as refusal:  # too many guesses at once
            self.refusal = refusal
            raise told(refusal) from None

    def get_invalid_login_error(self) -> ValidationError:
        """Says so as soon as the account is locked. It is the same for an address that nobody has."""
        if end := locked_until(normalised(self.cleaned_data["username"])):
            self.refusal = AccountLocked(retry_after=(end - timezone.now()).total_seconds())
            return told(self.refusal)
        return super().get_invalid_login_error()


class PasswordForm(AdminOwnPasswordChangeForm):
    def clean_old_password(self) -> str:
        """Leaves the old password to the flow that changes it, which counts the guess."""
        return str(self.cleaned_data["old_password"])
