"""What the OpenAPI document says about `/auth` and `/users`."""

from functools import partial
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter

from accounts import serializers
from accounts.authentication import InvalidToken
from accounts.flows.login import InvalidCredentials
from accounts.flows.passwords import OldPasswordIncorrect, OldPasswordRequired
from accounts.flows.profile import LastAdmin
from accounts.flows.registration import EmailTaken, InvalidVerificationToken
from accounts.flows.resets import InvalidResetCode
from accounts.flows.sessions import EmailNotVerified, InvalidRefreshToken, RefreshTokenReused
from accounts.leases import Busy
from accounts.login_guard import AccountLocked
from core.errors import NotAuthenticated, NotFound
from core.openapi import documented, operation
from core.rate_limits import RateLimited

TOKENS = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl",
    "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.YW5vdGhlcg",
    "refresh_token_id": "5f0c3bb2-3c0e-4c7e-9d0e-0d6f6f1f7c11",
}
PROFILE = {
    "id": "0b6c1f5e-8f5f-4a53-a0bb-3f6a2a4f2c9d",
    "email": "alice@example.com",
    "name": "Alice",
    "role": "USER",
}
SESSION = {
    "id": "761ff17f-7d65-4c43-ac6b-0eae10def4e0",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "ip": "192.0.2.7",
    "created_at": "2026-11-24T12:00:00Z",
    "last_used_at": "2026-11-24T12:05:00Z",
    "expires_at": "2026-12-24T12:00:00Z",
    "current": True,
}
JWK = {"crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
PASSWORD = "correct horse battery"  # noqa: S105 - an example
ADDRESS = {"email": "alice@example.com"}
OK = {"ok": True}
SIGNED_IN = (NotAuthenticated, InvalidToken)

auth = partial(operation, tags=["auth"])
users = partial(operation, tags=["users"])


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


public = documented(
    register=auth(
        "register",
        "Create an account; sends the verification mail",
        description="The tokens work until the access token expires; login and refresh need a verified address.",
        body=serializers.Registration,
        sent={**ADDRESS, "password": PASSWORD, "name": "Alice"},
        answer=serializers.TokenPair,
        answered=TOKENS,
        status=201,
        errors=(EmailTaken, RateLimited, Busy),
    ),
    login=auth(
        "login",
        "Sign in with e-mail and password",
        description="Wrong passwords in a row lock the account for a while; `Retry-After` says how long.",
        body=serializers.Login,
        sent={**ADDRESS, "password": PASSWORD},
        answer=serializers.TokenPair,
        answered=TOKENS,
        errors=(InvalidCredentials, EmailNotVerified, AccountLocked, RateLimited, Busy),
    ),
    refresh=auth(
        "refresh",
        "Exchange a refresh token for the next pair; each works once",
        description="For some seconds a used token gives its successor again. After that it ends the session.",
        body=serializers.Refresh,
        sent={"refresh_token": TOKENS["refresh_token"]},
        answer=serializers.RefreshedTokenPair,
        answered={**TOKENS, "token_type": "bearer"},
        errors=(InvalidRefreshToken, RefreshTokenReused, EmailNotVerified, RateLimited),
    ),
    forgot_password=auth(
        "forgotPassword",
        "Mail a reset code, if there is such an account",
        description="The answer is the same for every address.",
        body=serializers.Address,
        sent=ADDRESS,
        answer=serializers.Ok,
        answered=OK,
        errors=(RateLimited,),
    ),
    verify_reset_code=auth(
        "verifyResetCode",
        "Check a reset code without using it up",
        description="Every error is the same, whether or not there is such an account. Wrong guesses use a code up.",
        body=serializers.ResetCode,
        sent={**ADDRESS, "code": "042117"},
        answer=serializers.Ok,
        answered=OK,
        errors=(InvalidResetCode,),
    ),
    reset_password=auth(
        "resetPassword",
        "Choose a new password with a reset code; ends every session",
        description="Also opens a lock and marks the address verified, since the code proves the mailbox.",
        body=serializers.Reset,
        sent={**ADDRESS, "code": "042117", "new_password": PASSWORD},
        answer=serializers.Ok,
        answered=OK,
        errors=(InvalidResetCode, Busy),
    ),
    verify_email=auth(
        "verifyEmail",
        "Verify an address with the token of the mail",
        description="Works any number of times until the token expires.",
        body=serializers.VerificationToken,
        sent={"token": "WyIwYjZjMWY1ZSIsImFsaWNlQGV4YW1wbGUuY29tIl0:1vN:c2ln"},
        answer=serializers.Ok,
        answered=OK,
        errors=(InvalidVerificationToken,),
    ),
    verify_email_link=auth(
        "verifyEmailLink",
        "Verify an address with the token in the query",
        description="Verifies at once, so also for a mail scanner that opens links: let pages send `POST`.",
        parameters=[OpenApiParameter("token", str, required=True)],
        answer=serializers.Ok,
        answered=OK,
        errors=(InvalidVerificationToken,),
        invalid=True,
    ),
    resend_verification=auth(
        "resendVerification",
        "Mail a new verification link, if there is an account that needs one",
        description="The answer is the same for every address.",
        body=serializers.Address,
        sent=ADDRESS,
        answer=serializers.Ok,
        answered=OK,
        errors=(RateLimited,),
    ),
)

own_sessions = documented(
    logout=auth(
        "logout",
        "Sign out everywhere: every session of the user ends at once",
        answer=serializers.OkMessage,
        answered={"ok": True, "message": "Logged out successfully"},
        errors=SIGNED_IN,
    ),
    list=auth(
        "listSessions",
        "The user's live sessions, the last used first",
        answer=serializers.ListedSession(many=True),
        answered=SESSION,
        errors=SIGNED_IN,
    ),
    destroy=auth(
        "revokeSession",
        "End one of the user's sessions",
        parameters=[OpenApiParameter("session_id", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)],
        answer=None,
        answered=None,
        status=204,
        errors=(*SIGNED_IN, NotFound),
        invalid=True,
    ),
    verify_password=auth(
        "verifyPassword",
        "Whether this is the user's password; counts as a login attempt",
        description='A wrong password is `{"ok": false}`, and counts towards the lockout.',
        body=serializers.PasswordOnly,
        sent={"password": PASSWORD},
        answer=serializers.Ok,
        answered=OK,
        errors=(*SIGNED_IN, AccountLocked, Busy),
    ),
)

CHANGE: dict[str, Any] = {
    "description": "A new password needs `old_password`. It ends every other session and keeps this one.",
    "answer": serializers.Profile,
    "answered": PROFILE,
    "body": serializers.ProfileChange,
    "sent": {"name": "Alice", "old_password": PASSWORD, "new_password": "another horse altogether"},
    "errors": (*SIGNED_IN, OldPasswordIncorrect, OldPasswordRequired, AccountLocked, Busy),
}

profile = documented(
    retrieve=users("readMe", "Who is signed in", answer=serializers.Profile, answered=PROFILE, errors=SIGNED_IN),
    update=users("updateMe", "Change the name, the password, or both", **CHANGE),
    partial_update=users("patchMe", "Change the name, the password, or both, as PUT does", **CHANGE),
    destroy=users(
        "deleteMe",
        "Delete the account and all that is the user's",
        answer=serializers.Message,
        answered={"message": "Account deleted successfully."},
        errors=(*SIGNED_IN, LastAdmin),
    ),
    is_admin=users(
        "isAdmin",
        "Whether the user is an admin",
        answer=serializers.IsAdmin,
        answered={"is_admin": False},
        errors=SIGNED_IN,
    ),
    home=users(
        "home", "A greeting", answer=serializers.Message, answered={"message": "Welcome, Alice!"}, errors=SIGNED_IN
    ),
)

key_set = auth(
    "readKeySet",
    "The public keys that tokens are verified with (RFC 7517); empty while a shared secret signs",
    answer=serializers.KeySet,
    answered={"keys": [{**JWK, "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "alg": "EdDSA", "use": "sig"}]},
)
