"""`Authorization: Bearer <access token>`."""

from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from typing import Any

from django.db import connection
from django.db.models import UUIDField
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from accounts.models import Session, User
from accounts.tokens.jwt import AccessToken, Claims
from core.concurrency import request_slots
from core.errors import NotAuthenticated

SESSION_COLUMNS = [field.get_col("sessions") for field in Session._meta.concrete_fields]
USER_COLUMNS = [field.get_col("users") for field in User._meta.concrete_fields]
COLUMNS = SESSION_COLUMNS + USER_COLUMNS
NAMES, OF_SESSION = [column.target.attname for column in COLUMNS], len(SESSION_COLUMNS)

# Every request with a token asks this. As a queryset, which is compiled anew each time, it made `GET /users/me` take
# twice the CPU time.
LIVE_SESSION = f"""
SELECT {", ".join(f"{column.alias}.{column.target.column}" for column in COLUMNS)}
FROM sessions JOIN users ON users.id = sessions.user_id
WHERE sessions.id = %s AND users.id = %s AND ended_at IS NULL AND expires_at > %s AND users.is_active
"""  # noqa: S608


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
        session = live_session(claims, now)
        if session is None:
            raise SessionOver
        Session.objects.touch(session, now)
        return session.user, session

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def live_session(claims: Claims, now: datetime) -> Session | None:
    """The session that a token was issued for, with its user; None if it is over, or the account blocked or gone."""
    with connection.cursor() as cursor:
        ids = [UUIDField().get_db_prep_value(uuid, connection) for uuid in (claims.session_id, claims.user_id)]
        cursor.execute(LIVE_SESSION, [*ids, connection.ops.adapt_datetimefield_value(now)])
        row = cursor.fetchone()
    if row is None:
        return None
    values = list(row)
    for position, convert in converters():
        values[position] = convert(values[position])
    session = Session.from_db(connection.alias, NAMES[:OF_SESSION], values[:OF_SESSION])
    session.user = User.from_db(connection.alias, NAMES[OF_SESSION:], values[OF_SESSION:])
    return session


@cache
def converters() -> list[tuple[int, Callable[[Any], Any]]]:
    """What SQLite's values need to become those of the fields; those of PostgreSQL need nothing."""
    return [
        (position, partial(convert, expression=column, connection=connection))
        for position, column in enumerate(COLUMNS)
        for convert in connection.ops.get_db_converters(column) + column.get_db_converters(connection)
    ]


class BearerScheme(OpenApiAuthenticationExtension):
    """What the OpenAPI document says of it."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
