"""The forms of the admin site that take a password. They leave it to the flows, which count the guess."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm

from accounts.addresses import EMAIL_LENGTH, normalised, validate_address
from accounts.password_validators import PASSWORD_LENGTH
from core.errors import ApiError


def as_form_error(error: ApiError) -> ValidationError:
    """An ApiError as a form shows it."""
    return ValidationError(str(error.detail), code=error.code)


def bound_passwords(form: forms.Form) -> None:
    """Lets the form refuse passwords that are too long, before a validator or a hash works on them."""
    for field in form.fields.values():
        if isinstance(field.widget, forms.PasswordInput):
            field.validators.append(MaxLengthValidator(PASSWORD_LENGTH))


class AddressField(forms.EmailField):
    """Normalised before it is checked, as the API does."""

    default_validators = [validate_address]

    def to_python(self, value: Any) -> str:
        return normalised(super().to_python(value) or "")


class LoginForm(AuthenticationForm):
    username = AddressField(
        max_length=EMAIL_LENGTH,
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        bound_passwords(self)

    def clean(self) -> dict[str, Any]:
        return self.cleaned_data


class PasswordForm(AdminOwnPasswordChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        bound_passwords(self)

    def clean_old_password(self) -> str:
        return str(self.cleaned_data["old_password"])
