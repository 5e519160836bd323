"""The admin site's pages about accounts."""

import django.contrib.auth.admin  # noqa: F401
import rest_framework_simplejwt.token_blacklist.admin  # noqa: F401 - both register what is unregistered below
from django.contrib import admin
from django.contrib.auth.models import Group
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.admin import facts, users  # noqa: F401 - they register their pages

admin.site.unregister([Group, OutstandingToken, BlacklistedToken])  # roles are not groups; the sessions tell of tokens
