from django.urls import path

from accounts.service_views import NameViewSet, ServiceViewSet
from accounts.verify_email_page import verify_email_page
from accounts.views import AuthViewSet, ProfileViewSet, PublicAuthViewSet

public = PublicAuthViewSet.as_view
own = AuthViewSet.as_view
profile = ProfileViewSet.as_view
services = ServiceViewSet.as_view

urlpatterns = [
    path("auth/register", public({"post": "register"})),
    path("auth/login", public({"post": "login"})),
    path("auth/refresh", public({"post": "refresh"})),
    path("auth/logout", own({"post": "logout"})),
    path("auth/forgot-password", public({"post": "forgot_password"})),
    path("auth/verify-reset-code", public({"post": "verify_reset_code"})),
    path("auth/reset-password", public({"post": "reset_password"})),
    path("auth/verify-password", own({"post": "verify_password"})),
    path("auth/verify-email", public({"get": "verify_email_link", "post": "verify_email"})),
    path("auth/resend-verification", public({"post": "resend_verification"})),
    path("auth/sessions", own({"get": "list_sessions"})),
    path("auth/sessions/<str:session_id>", own({"delete": "revoke_session"})),
    path(".well-known/jwks.json", public({"get": "read_key_set"})),
    path("users/me", profile({"get": "read_me", "put": "update_me", "patch": "patch_me", "delete": "delete_me"})),
    path("users/is-admin", profile({"get": "is_admin"})),
    path("users", NameViewSet.as_view({"get": "list_names"})),
    path("auth/introspect", services({"post": "introspect_token"})),
    path("internal/revocations", services({"get": "list_revocations"})),
    path("home", profile({"get": "home"})),
    path("verify-email", verify_email_page),
]
