"""`Authorization: Bearer <access token>`."""

from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from accounts.audit.log import NO_CLIENT
from accounts.flows.sessions import begin_legacy_session
from accounts.models import Session, User
from accounts.tokens.jwt import AccessToken, Claims
from core.client import Client
from core.concurrency import request_slots
from core.errors import NotAuthenticated
from core.queries import FixedQuery

SESSION, USER = Session._meta.concrete_fields, User._meta.concrete_fields
SESSION_NAMES, USER_NAMES = [field.attname for field in SESSION], [field.attname for field in USER]
# Every request with a token asks this. As a queryset it made `GET /users/me` take twice the CPU time.
COLUMNS = {f"{field.model._meta.db_table}.{field.column}": field for field in (*SESSION, *USER)}
LIVE_SESSION = FixedQuery(
    f"""
    SELECT {", ".join(COLUMNS)} FROM sessions JOIN users ON users.id = sessions.user_id
    WHERE sessions.id = %s AND users.id = %s AND ended_at IS NULL AND expires_at > %s AND users.is_active
    """,  # noqa: S608
    COLUMNS,
)


class SignedInRequest(Request):
    """What a view gets once `BearerAuthentication` has signed a request in."""

    user: User
    auth: Session


class InvalidToken(NotAuthenticated):
    code = "invalid_token"
    detail = "The access token is invalid, or its session has ended. Sign in again."


class SessionOver(InvalidToken):
    """The token is ours and has not expired, but its session is over, or its account blocked or gone."""


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
        if request.method not in SAFE_METHODS:
            request_slots.take_turn(claims.user_id)
        now = timezone.now()
        session = session_of(claims, now, request)
        if session is None:
            raise SessionOver
        session.touch(now)
        return session.user, session

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def session_of(claims: Claims, now: datetime, request: Request | None = None) -> Session | None:
    """The live session of a token, which the first use of an earlier one begins. Without a request, for no client."""
    session = live_session(claims, now)
    if session is None and claims.is_legacy:
        return begin_legacy_session(claims, Client.of(request) if request else NO_CLIENT)
    return session


def live_session(claims: Claims, now: datetime) -> Session | None:
    """The session that a token was issued for, with its user; None if it is over, or the account blocked or gone."""
    for row in LIVE_SESSION.rows(claims.session_id, claims.user_id, now):
        session = Session.from_db(DEFAULT_DB_ALIAS, SESSION_NAMES, row[: len(SESSION)])
        session.user = User.from_db(DEFAULT_DB_ALIAS, USER_NAMES, row[len(SESSION) :])
        return session
    return None


def introspect(token: str) -> dict[str, Any]:
    """What RFC 7662 section 2.2 has a service say of an access token."""
    try:
        claims = AccessToken.read(token)
    except TokenError:
        return {"active": False}
    session = session_of(claims, timezone.now())
    if session is None:
        return {"active": False}
    return {
        "active": True,
        "sub": claims.user_id,
        "sid": claims.session_id,
        "role": session.user.role,
        "exp": claims.expires,
    }


class BearerScheme(OpenApiAuthenticationExtension):
    """What the OpenAPI document says of it."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access_token` of a login or a registration. It works for 15 minutes.",
        }
