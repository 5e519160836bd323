from django.urls import include, path

from accounts.service_views import NameViewSet, ServiceViewSet
from accounts.verify_email_page import verify_email_page
from accounts.views import AuthViewSet, ProfileViewSet, PublicAuthViewSet

public = PublicAuthViewSet.as_view
own = AuthViewSet.as_view
profile = ProfileViewSet.as_view
services = ServiceViewSet.as_view

auth = [
    path("register", public({"post": "register"})),
    path("login", public({"post": "login"})),
    path("refresh", public({"post": "refresh"})),
    path("logout", own({"post": "logout"})),
    path("forgot-password", public({"post": "forgot_password"})),
    path("verify-reset-code", public({"post": "verify_reset_code"})),
    path("reset-password", public({"post": "reset_password"})),
    path("verify-password", own({"post": "verify_password"})),
    path("verify-email", public({"get": "verify_email_link", "post": "verify_email"})),
    path("resend-verification", public({"post": "resend_verification"})),
    path("sessions", own({"get": "list_sessions"})),
    path("sessions/<str:session_id>", own({"delete": "revoke_session"})),
    path("introspect", services({"post": "introspect_token"})),
]

urlpatterns = [
    path("auth/", include(auth)),
    path(".well-known/jwks.json", public({"get": "read_key_set"})),
    path("users/me", profile({"get": "read_me", "put": "update_me", "patch": "patch_me", "delete": "delete_me"})),
    path("users/is-admin", profile({"get": "is_admin"})),
    path("users", NameViewSet.as_view({"get": "list_names"})),
    path("internal/revocations", services({"get": "list_revocations"})),
    path("home", profile({"get": "home"})),
    path("verify-email", verify_email_page),
]
