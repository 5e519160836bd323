"""Who is signed in to the admin site. Nothing signs in by `authenticate()`: the login page does, as the API does."""

from typing import Any

from django.contrib.auth.backends import BaseBackend

from accounts.models import User


class UserBackend(BaseBackend):
    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()
