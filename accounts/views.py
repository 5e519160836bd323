"""`/auth` and `/users`: each call parses, makes one call to a flow, and answers."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from accounts import schema, serializers
from accounts.authentication import SignedInRequest
from accounts.flows import login, passwords, registration, resets, sessions
from accounts.flows import profile as profile_flow
from accounts.models import User
from accounts.tokens.keys import published
from core.api import ApiViewSet, uuid_in_path, validated
from core.client import Client
from core.rate_limits import Throttle

REGISTRATION = serializers.Registration()
LOGIN = serializers.Login()
REFRESH = serializers.Refresh()
ADDRESS = serializers.Address()
RESET_CODE = serializers.ResetCode()
RESET = serializers.Reset()
PASSWORD = serializers.PasswordOnly()
VERIFICATION = serializers.VerificationToken()
PROFILE_CHANGE = serializers.ProfileChange()


def ok() -> Response:
    return Response({"ok": True})


@schema.public
class PublicAuthViewSet(ApiViewSet):
    """What nobody need be signed in for."""

    authentication_classes = []
    permission_classes = []

    def get_throttles(self) -> list[BaseThrottle]:
        return [Throttle(self.action)] if self.action in settings.RATE_LIMITS else []

    def register(self, request: Request) -> Response:
        body = validated(REGISTRATION, request.data, "body")
        pair = registration.register(
            email=body["email"], password=body["password"], name=body.get("name"), client=Client.of(request)
        )
        return Response(asdict(pair), status=201)

    def login(self, request: Request) -> Response:
        body = validated(LOGIN, request.data, "body")
        return Response(asdict(login.log_in(**body, client=Client.of(request))))

    def refresh(self, request: Request) -> Response:
        body = validated(REFRESH, request.data, "body")
        pair = sessions.rotate(**body, client=Client.of(request))
        return Response({**asdict(pair), "token_type": "bearer"})

    def forgot_password(self, request: Request) -> Response:
        resets.request_code(**validated(ADDRESS, request.data, "body"), client=Client.of(request))
        return ok()

    def verify_reset_code(self, request: Request) -> Response:
        resets.verify_code(**validated(RESET_CODE, request.data, "body"))
        return ok()

    def reset_password(self, request: Request) -> Response:
        resets.reset_password(**validated(RESET, request.data, "body"), client=Client.of(request))
        return ok()

    def verify_email(self, request: Request) -> Response:
        registration.verify_email(**validated(VERIFICATION, request.data, "body"))
        return ok()

    def verify_email_link(self, request: Request) -> Response:
        registration.verify_email(**validated(VERIFICATION, request.query_params.dict(), "query"))
        return ok()

    def resend_verification(self, request: Request) -> Response:
        registration.resend_verification(**validated(ADDRESS, request.data, "body"), client=Client.of(request))
        return ok()


@schema.own_sessions
class AuthViewSet(ApiViewSet):
    """What the signed-in user does with their sessions and password."""

    def logout(self, request: SignedInRequest) -> Response:
        sessions.log_out(user=request.user)
        return Response({"ok": True, "message": "Logged out successfully"})

    def list(self, request: SignedInRequest) -> Response:
        return Response(sessions.list_sessions(user=request.user, current=request.auth))

    def destroy(self, request: SignedInRequest, session_id: str) -> Response:
        sessions.revoke(user=request.user, session_id=uuid_in_path("session_id", session_id))
        return Response(status=204)

    def verify_password(self, request: SignedInRequest) -> Response:
        body = validated(PASSWORD, request.data, "body")
        user = passwords.check_password(address=request.user.email, client=Client.of(request), **body)
        return Response({"ok": user is not None})


@schema.profile
class ProfileViewSet(ApiViewSet):
    """The signed-in user's own account."""

    def retrieve(self, request: SignedInRequest) -> Response:
        return Response(profile_of(request.user))

    def update(self, request: SignedInRequest) -> Response:
        body = validated(PROFILE_CHANGE, request.data, "body")
        user = profile_flow.update_profile(user=request.user, session=request.auth, client=Client.of(request), **body)
        return Response(profile_of(user))

    def partial_update(self, request: SignedInRequest) -> Response:
        return self.update(request)

    def destroy(self, request: SignedInRequest) -> Response:
        profile_flow.delete_account(user=request.user, client=Client.of(request))
        return Response({"message": "Account deleted successfully."})

    def is_admin(self, request: SignedInRequest) -> Response:
        return Response({"is_admin": request.user.is_admin})

    def home(self, request: SignedInRequest) -> Response:
        return Response({"message": f"Welcome, {request.user.name}!"})


def profile_of(user: User) -> dict[str, Any]:
    return {"id": user.pk, "email": user.email, "name": user.name, "role": user.role}


class KeySetViewSet(ApiViewSet):
    """`/.well-known/jwks.json`."""

    authentication_classes = []
    permission_classes = []

    @schema.key_set
    def retrieve(self, request: Request) -> Response:
        max_age = int(settings.JWKS_MAX_AGE.total_seconds())
        return Response({"keys": published()}, headers={"Cache-Control": f"public, max-age={max_age}"})
