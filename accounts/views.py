"""`/auth` and `/users`: each call parses, makes one call to a flow, and answers."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from accounts.authentication import SessionOver, SignedInRequest
from accounts.flows import confirmation, login, registration, resets, sessions
from accounts.flows import profile as profile_flow
from accounts.flows.confirmation import OldPasswordIncorrect, TooManyConfirmations
from accounts.flows.login import InvalidCredentials
from accounts.flows.passwords import OldPasswordRequired
from accounts.flows.profile import LastAdmin
from accounts.flows.registration import EmailTaken, InvalidVerificationToken
from accounts.flows.resets import InvalidResetCode
from accounts.flows.sessions import EmailNotVerified, InvalidRefreshToken, RefreshTokenReused
from accounts.hashing import TooManyHashes
from accounts.login_guard import AccountLocked, Busy
from accounts.models import User
from accounts.serializers import (
    AddressSerializer,
    GreetingSerializer,
    IsAdminSerializer,
    KeySetSerializer,
    ListedSessionSerializer,
    LoginSerializer,
    MessageSerializer,
    OkMessageSerializer,
    OkSerializer,
    PasswordSerializer,
    ProfileChangeSerializer,
    ProfileSerializer,
    RefreshedTokenPairSerializer,
    RefreshSerializer,
    RegistrationSerializer,
    ResetCodeSerializer,
    ResetSerializer,
    TokenPairSerializer,
    VerificationTokenSerializer,
)
from accounts.tokens.keys import KeySealed, published
from core.api import ApiViewSet, uuid_in_path, validated
from core.client import Client, ip_of
from core.errors import Invalid, NotFound
from core.openapi import raises
from core.rate_limits import RateLimited, Throttle, spend

# Of each call its limit per client address. A refresh counts only where it is refused.
LIMITS = {
    "register": "register",
    "login": "login",
    "forgot_password": "forgot_password",
    "resend_verification": "resend_verification",
    "verify_reset_code": "reset_code",
    "reset_password": "reset_code",
}

SESSION_ID = OpenApiParameter(
    "session_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="An `id` from `GET /auth/sessions`."
)


def ok() -> Response:
    return Response({"ok": True})


def logged_out() -> Response:
    return Response({"ok": True, "message": "Logged out successfully"})


class PublicAuthViewSet(ApiViewSet):
    """The calls that need no access token."""

    authentication_classes = []
    permission_classes = []
    tags = ["auth"]

    def get_throttles(self) -> list[BaseThrottle]:
        name = LIMITS.get(self.action)
        return [Throttle(name)] if name else []

    @extend_schema(request=RegistrationSerializer, responses={201: TokenPairSerializer})
    @raises(EmailTaken, Busy, KeySealed)
    def register(self, request: Request) -> Response:
        """Create an account, and mail a verification link.

        The access token works until it expires; login and refresh need a verified address.
        """
        body = validated(RegistrationSerializer, request.data, "body")
        pair = registration.register(**body, client=Client.of(request))
        return Response(asdict(pair), status=201)

    @extend_schema(request=LoginSerializer, responses=TokenPairSerializer)
    @raises(InvalidCredentials, EmailNotVerified, AccountLocked, Busy, KeySealed)
    def login(self, request: Request) -> Response:
        """Sign in with e-mail and password.

        Repeated wrong passwords lock the account for a while; `Retry-After` says for how long.
        """
        body = validated(LoginSerializer, request.data, "body")
        return Response(asdict(login.log_in(**body, client=Client.of(request))))

    @extend_schema(request=RefreshSerializer, responses=RefreshedTokenPairSerializer)
    @raises(
        InvalidRefreshToken, RefreshTokenReused, EmailNotVerified, RateLimited, KeySealed, limited=(401, 403, 422, 429)
    )
    def refresh(self, request: Request) -> Response:
        """Exchange a refresh token for the next pair of tokens.

        Each works once. For a few seconds a used one returns the same successor again; after that it ends the session.
        """
        try:
            body = validated(RefreshSerializer, request.data, "body")
            pair = sessions.rotate(**body, client=Client.of(request))
        except (Invalid, InvalidRefreshToken, RefreshTokenReused, EmailNotVerified) as refusal:
            refusal.headers |= spend("refresh", ip_of(request))  # a 429 for a good token would sign its owner out
            raise
        return Response({**asdict(pair), "token_type": "bearer"})

    @extend_schema(request=AddressSerializer, responses=OkSerializer)
    def forgot_password(self, request: Request) -> Response:
        """Mail a reset code, if the address has an account.

        The response is the same for every address.
        """
        resets.request_code(**validated(AddressSerializer, request.data, "body"), client=Client.of(request))
        return ok()

    @extend_schema(request=ResetCodeSerializer, responses=OkSerializer)
    @raises(InvalidResetCode)
    def verify_reset_code(self, request: Request) -> Response:
        """Check a reset code without using it up.

        All errors are alike, whether or not the account exists. Too many wrong guesses invalidate a code.
        """
        resets.verify_code(**validated(ResetCodeSerializer, request.data, "body"), client=Client.of(request))
        return ok()

    @extend_schema(request=ResetSerializer, responses=OkSerializer)
    @raises(InvalidResetCode, Busy)
    def reset_password(self, request: Request) -> Response:
        """Set a new password with a reset code.

        Ends every session and any lock, and marks the address verified, since the code proves the mailbox.
        """
        resets.reset_password(**validated(ResetSerializer, request.data, "body"), client=Client.of(request))
        return ok()

    @extend_schema(request=VerificationTokenSerializer, responses=OkSerializer)
    @raises(InvalidVerificationToken)
    def verify_email(self, request: Request) -> Response:
        """Verify an address with the token from the mail.

        Works any number of times until the token expires.
        """
        registration.verify_email(**validated(VerificationTokenSerializer, request.data, "body"))
        return ok()

    @extend_schema(parameters=[VerificationTokenSerializer], responses=OkSerializer)
    @raises(InvalidVerificationToken)
    def verify_email_link(self, request: Request) -> Response:
        """Verify an address with the token in the query.

        Verifies at once, even if a mail scanner opens the link. A page should send `POST` instead.
        """
        registration.verify_email(**validated(VerificationTokenSerializer, request.query_params.dict(), "query"))
        return ok()

    @extend_schema(request=AddressSerializer, responses=OkSerializer)
    def resend_verification(self, request: Request) -> Response:
        """Mail a new verification link, if there is an account that needs one.

        The response is the same for every address.
        """
        body = validated(AddressSerializer, request.data, "body")
        registration.request_verification(**body, client=Client.of(request))
        return ok()

    @extend_schema(responses=KeySetSerializer)
    def read_key_set(self, request: Request) -> Response:
        """The public keys for verifying tokens (RFC 7517).

        Cache them for 10 minutes at most. There are none while a shared secret signs.
        """
        max_age = int(settings.JWKS_MAX_AGE.total_seconds())
        return Response({"keys": published()}, headers={"Cache-Control": f"public, max-age={max_age}"})


class AuthViewSet(ApiViewSet):
    """The signed-in user's sessions, and their password."""

    tags = ["auth"]

    @extend_schema(responses=OkMessageSerializer)
    def logout(self, request: SignedInRequest) -> Response:
        """Sign out everywhere: every session of the user ends at once.

        The response is the same if the session or the account is already gone; other sessions then stay.
        """
        sessions.log_out(user=request.user)
        return logged_out()

    def handle_exception(self, exc: Exception) -> Response:
        if self.action == "logout" and isinstance(exc, SessionOver):
            return logged_out()  # clients forget their tokens only on success
        return super().handle_exception(exc)

    @extend_schema(responses=ListedSessionSerializer(many=True))
    def list_sessions(self, request: SignedInRequest) -> Response:
        """The user's live sessions, most recently used first.

        One for each login or registration; `current` marks the one that the access token belongs to.
        """
        return Response(sessions.list_sessions(user=request.user, current=request.auth))

    @extend_schema(parameters=[SESSION_ID], responses={204: None})
    @raises(NotFound)
    def revoke_session(self, request: SignedInRequest, session_id: str) -> Response:
        """End one of the user's sessions.

        Its tokens stop working at once. Another user's session is 404, as if it did not exist.
        """
        sessions.revoke(user=request.user, session_id=uuid_in_path("session_id", session_id))
        return Response(status=204)

    @extend_schema(request=PasswordSerializer, responses=OkSerializer)
    @raises(TooManyConfirmations, TooManyHashes)
    def verify_password(self, request: SignedInRequest) -> Response:
        """Whether this is the user's password.

        A wrong password returns `{"ok": false}`. After ten different ones within 15 minutes, others get 429.
        """
        body = validated(PasswordSerializer, request.data, "body")
        return Response({"ok": confirmation.verify_password(user=request.user, **body)})


class ProfileViewSet(ApiViewSet):
    """The signed-in user's own account."""

    tags = ["users"]

    @extend_schema(responses=ProfileSerializer)
    def read_me(self, request: SignedInRequest) -> Response:
        """Who is signed in.

        The role is the current one; no token contains it.
        """
        return Response(profile_of(request.user))

    @extend_schema(request=ProfileChangeSerializer, responses=ProfileSerializer)
    @raises(OldPasswordIncorrect, OldPasswordRequired, TooManyConfirmations, TooManyHashes)
    def update_me(self, request: SignedInRequest) -> Response:
        """Change the name, the password, or both.

        A new password needs `old_password`, and ends every session but this one.
        """
        body = validated(ProfileChangeSerializer, request.data, "body")
        user = profile_flow.update_profile(user=request.user, session=request.auth, client=Client.of(request), **body)
        return Response(profile_of(user))

    @extend_schema(request=ProfileChangeSerializer, responses=ProfileSerializer)
    @raises(OldPasswordIncorrect, OldPasswordRequired, TooManyConfirmations, TooManyHashes)
    def patch_me(self, request: SignedInRequest) -> Response:
        """Change the name, the password, or both, as PUT does.

        A new password needs `old_password`, and ends every session but this one.
        """
        return self.update_me(request)

    @extend_schema(responses={200: MessageSerializer})
    @raises(LastAdmin)
    def delete_me(self, request: SignedInRequest) -> Response:
        """Delete the account and all of its data.

        At once and for good: no password is asked for, and every token stops working. The last admin cannot do this.
        """
        profile_flow.delete_account(user=request.user, client=Client.of(request))
        return Response({"message": "Account deleted successfully."})

    @extend_schema(responses=IsAdminSerializer)
    def is_admin(self, request: SignedInRequest) -> Response:
        """Whether the user is an admin.

        For other services: no token contains the role.
        """
        return Response({"is_admin": request.user.is_admin})

    @extend_schema(responses=GreetingSerializer)
    def home(self, request: SignedInRequest) -> Response:
        """A greeting.

        It names the user, which shows that an access token works.
        """
        return Response({"message": f"Welcome, {request.user.name}!"})


def profile_of(user: User) -> dict[str, Any]:
    return {"id": user.pk, "email": user.email, "name": user.name, "role": user.role}
