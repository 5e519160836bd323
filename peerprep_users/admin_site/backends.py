"""How the admin site signs in: by e-mail, held by the same lock as every other login."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.addresses import EMAIL_LENGTH, normalised
from accounts.flows.login import InvalidCredentials, log_in_to_admin_site
from accounts.login_guard import AccountLocked
from accounts.models import User
from core.client import Client


class EmailBackend(BaseBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if request is None or not username or not password or len(username) > EMAIL_LENGTH:
            return None
        try:
            return log_in_to_admin_site(email=normalised(username), password=password, client=Client.of(request))
        except InvalidCredentials:
            return None
        except AccountLocked:
            raise PermissionDenied from None

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()
