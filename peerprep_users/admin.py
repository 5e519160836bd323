"""What the admin site lists that no single app can say."""

from django.contrib import admin
from django.contrib.auth.models import Group
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from peerprep_users.admin_site import users  # noqa: F401 - registers the pages of users

admin.site.unregister([Group, OutstandingToken, BlacklistedToken])  # roles are not groups; the sessions show the tokens
