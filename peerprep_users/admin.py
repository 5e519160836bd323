"""What the admin site lists that no app can say alone."""

from django.contrib import admin
from django.contrib.auth.models import Group
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from peerprep_users.admin_site.users import UserAdmin

admin.site.register(User, UserAdmin)
admin.site.unregister([Group, OutstandingToken, BlacklistedToken])  # roles are not groups; the sessions show the tokens
