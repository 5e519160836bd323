"""`Authorization: Bearer <access token>`."""

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from accounts.models import Session, User
from accounts.tokens.jwt import AccessToken
from core.errors import NotAuthenticated


class SignedInRequest(Request):
    """What a view gets once `BearerAuthentication` has signed a request in."""

    user: User
    auth: Session


class InvalidToken(NotAuthenticated):
    code = "invalid_token"
    detail = "The access token is invalid, or its session has ended. Sign in again."


class BearerAuthentication(BaseAuthentication):
    """Signs a request in as the user of a live session, found in one query together with its user."""

    errors = (NotAuthenticated, InvalidToken)

    def authenticate(self, request: Request) -> tuple[User, Session] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":  # RFC 9110 section 11.1: case-insensitive
            raise InvalidToken
        try:
            claims = AccessToken.read(token.strip())
        except TokenError:
            raise InvalidToken from None
        now = timezone.now()
        session = (
            Session.objects.select_related("user")
            .filter(pk=claims.session_id, user=claims.user_id, ended_at=None, expires_at__gt=now, user__is_active=True)
            .first()
        )
        if session is None:
            raise InvalidToken
        Session.objects.touch(session, now)
        return session.user, session

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BearerScheme(OpenApiAuthenticationExtension):
    """What the OpenAPI document says of it."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
