"""The tokens we sign: access and refresh tokens, JWTs of simplejwt with the contract's claims; verification links."""

import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from time import time
from typing import Any, Self
from uuid import UUID, uuid4, uuid5

import jwt
from django.conf import settings
from django.core import signing
from django.utils import timezone
from orjson import dumps
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenError

from accounts.models import Session, User
from accounts.tokens import keys

ISSUER = "user-service"
LEEWAY = timedelta(seconds=10)  # by which the clocks of replicas and of siblings may differ
TOKEN_LENGTH = 16 * 1024
warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)  # accounts.W003 says it, once


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says: whose it is, of which session, and which token it is."""

    user_id: UUID
    session_id: UUID
    token_id: UUID
    expires: int  # seconds since 1970
    is_legacy: bool = False  # of the earlier service, so its session begins with its first use


LEGACY_SESSIONS = UUID("6f1c1d0e-6a0e-4f0c-9a53-0d8f5b0f7c11")  # the namespace of their ids


def legacy_session_id(named_by: UUID) -> UUID:
    """The session of a user's access tokens of the earlier service, named by the user; of a refresh token, by `jti`."""
    return uuid5(LEGACY_SESSIONS, str(named_by))


class Backend(TokenBackend):
    """simplejwt's side of the keys: signs with the current one, verifies with whichever the token names."""

    def encode(self, payload: dict[str, Any]) -> str:
        key = keys.signing_key()
        headers = {"kid": key.kid} if key.kid else None
        return keys.signer.encode(dumps({**payload, "iss": ISSUER}), key.material, key.algorithm, headers)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """The claims of a token whose signature, time and issuer have been verified.

        Raises:
            TokenError: for any fault of it.
        """
        try:
            for key in keys.verifying_keys(token):
                with suppress(jwt.InvalidSignatureError):
                    claims = verified(token, key)
                    if claims["exp"] > time() - LEEWAY.total_seconds():
                        return claims
        except jwt.InvalidTokenError as exc:
            raise TokenError("Token is invalid") from exc
        raise TokenError("Token has expired, or is signed with no key of ours")


@lru_cache(maxsize=1000)
def verified(token: str, key: keys.Key) -> dict[str, Any]:
    """The claims of a token that the key has signed.

    A client sends the same access token for as long as it lives: this makes 1.2 times the requests of `GET /users/me`.
    What changes meanwhile is asked each time: whether the token has expired, the key is in use and the session lives.

    Raises:
        jwt.InvalidTokenError: for any fault of it.
    """
    return jwt.decode(
        token,
        key.material,
        algorithms=[key.algorithm],
        issuer=ISSUER,
        leeway=LEEWAY,
        options={"require": ["exp", "iat", "iss", "sub", "jti"], "verify_aud": False},
    )


class SessionToken(tokens.Token):
    """A token that belongs to a session.

    The same session in the same state gives the same token, so that a refresh that is replayed within the grace gets
    the very token that its first answer carried, although no token is stored.
    """

    _token_backend = Backend(settings.ALGORITHM, leeway=LEEWAY)
    names_legacy_session: str

    @classmethod
    def of(cls, session: Session, user: User, token_id: UUID, issued: datetime, expires: datetime) -> Self:
        token = cls()
        token.payload |= {
            "sub": str(user.pk),
            "email": user.email,
            "iat": int(issued.timestamp()),
            "exp": int(expires.timestamp()),
            "jti": str(token_id),
            "sid": str(session.pk),
        }
        return token

    @classmethod
    def read(cls, raw: str) -> Claims:
        """What the token says, once its signature, type, issuer and time have been verified.

        Raises:
            TokenError: for any fault of it.
        """
        if len(raw) > TOKEN_LENGTH:
            raise TokenError("Token is too long")
        try:
            claims = cls._token_backend.decode(raw)
            if claims["type"] != cls.token_type:
                raise TokenError("Token has the wrong type")
            is_legacy = "sid" not in claims and settings.LEGACY_TOKENS_UNTIL is not None
            session_id = legacy_session_id(UUID(claims[cls.names_legacy_session])) if is_legacy else UUID(claims["sid"])
            return Claims(UUID(claims["sub"]), session_id, UUID(claims["jti"]), claims["exp"], is_legacy)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as exc:
            raise TokenError("Token is invalid") from exc


class AccessToken(SessionToken):
    token_type = "access"  # noqa: S105
    lifetime = settings.ACCESS_TTL
    names_legacy_session = "sub"

    @classmethod
    def of_session(cls, session: Session, user: User) -> Self:
        now = timezone.now()
        return cls.of(session, user, uuid4(), now, min(now + settings.ACCESS_TTL, session.expires_at))


class RefreshToken(SessionToken):
    token_type = "refresh"  # noqa: S105
    lifetime = settings.REFRESH_TTL
    names_legacy_session = "jti"

    @classmethod
    def of_session(cls, session: Session, user: User) -> Self:
        return cls.of(session, user, session.refresh_id, session.rotated_at, session.refresh_expires_at)


VERIFICATION_SALT = "accounts.verification"


def link_signer() -> signing.TimestampSigner:
    """Made for each use, since tests change its key. What it signs needs no quoting in a URL."""
    return signing.TimestampSigner(salt=VERIFICATION_SALT, sep=".")


def verification_token(user: User) -> str:
    """Proves that its bearer reads the mail to the user's address. Signed, so that nothing need be stored."""
    return link_signer().sign_object([str(user.pk), user.email])


def read_verification_token(token: str) -> tuple[str, str]:
    """The user id and the address in a verification token.

    Raises:
        django.core.signing.BadSignature: forged, or older than `VERIFICATION_TTL`.
    """
    if len(token) > TOKEN_LENGTH:
        raise signing.BadSignature
    user_id, email = link_signer().unsign_object(token, max_age=settings.VERIFICATION_TTL)
    return user_id, email
