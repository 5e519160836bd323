"""Sessions: starting one, rotating its refresh token, ending it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.audit.log import NO_CLIENT, Actor, Kind, record
from accounts.flows.revocations import record_revocations
from accounts.mail.queue import circumstances, enqueue
from accounts.metrics import REFRESHES, REPLAYS_ELSEWHERE
from accounts.models import Mail, Session, User
from accounts.tokens.jwt import AccessToken, Claims, RefreshToken, legacy_session_id
from accounts.tokens.keys import signing_key
from core.client import Client
from core.concurrency import request_slots
from core.errors import ApiError, NotFound
from core.metrics import count_outcomes
from core.queries import ON_POSTGRESQL
from core.rate_limits import count_in_database

SESSIONS_PER_USER = 50
REPLAYS_RECORDED = 10  # an hour
SESSION_FIELDS = ("id", "user_agent", "ip", "created_at", "last_used_at", "expires_at")


class InvalidRefreshToken(ApiError):
    status = 401
    code = "invalid_refresh_token"
    detail = "The refresh token is invalid, or its session has ended. Sign in again."


class RefreshTokenReused(ApiError):
    status = 401
    code = "refresh_token_reused"
    detail = "This refresh token has been used before, so its session has been ended for safety. Sign in again."


class EmailNotVerified(ApiError):
    status = 403
    code = "email_not_verified"
    detail = "The e-mail address is not verified yet. Follow the link in the mail we sent, or ask for a new one."


@dataclass(frozen=True, slots=True)
class TokenPair:
    access_token: str
    refresh_token: str
    refresh_token_id: str

    @classmethod
    def of(cls, session: Session, user: User) -> "TokenPair":
        refresh = RefreshToken.of_session(session, user)
        return cls(str(AccessToken.of_session(session, user)), str(refresh), refresh["jti"])


def start_session(user: User, client: Client, lasts: timedelta = settings.SESSION_MAX, **ids: UUID) -> Session:
    now = timezone.now()
    return Session.objects.create(
        user=user,
        user_agent=client.user_agent,
        ip=client.ip,
        created_at=now,
        last_used_at=now,
        rotated_at=now,
        expires_at=now + lasts,
        **ids,
    )


@count_outcomes(REFRESHES, InvalidRefreshToken, RefreshTokenReused, EmailNotVerified)
def rotate(*, refresh_token: str, client: Client) -> TokenPair:
    """Exchanges a refresh token for the next one.

    The direct predecessor of the current token gets the current one again for a fixed moment after the rotation, so
    that neither a second tab nor a lost response signs the user out. Any other token that was current once, or its
    successor, is in the wrong hands: the session ends (RFC 9700 section 4.14.2).

    Raises:
        InvalidRefreshToken, RefreshTokenReused, EmailNotVerified.
    """
    try:
        claims = RefreshToken.read(refresh_token)
    except TokenError:
        raise InvalidRefreshToken from None
    request_slots.take_turn(claims.user_id)
    return rotate_current(claims, client, timezone.now()) or answer_other_token(claims, client)


# A refresh as one statement, committed by itself. As querysets in a transaction, which take seven round trips, it took
# nearly three times the CPU time. The user's row is locked first, as for every other change of a session. What another
# request has changed about the session meanwhile is compared as it is now, and the grace begins after that wait.
ROTATE = """
WITH held AS (
    SELECT email, rotated_at FROM users JOIN sessions ON sessions.user_id = users.id
    WHERE users.id = %(user_id)s AND is_active AND is_verified AND sessions.id = %(session_id)s
    FOR NO KEY UPDATE OF users
), rotated AS (
    UPDATE sessions SET previous_id = refresh_id, refresh_id = %(next_id)s,
        rotated_at = %(now)s + (clock_timestamp() - statement_timestamp()),
        last_used_at = %(now)s, ip = %(ip)s, user_agent = %(user_agent)s
    FROM held
    WHERE id = %(session_id)s AND refresh_id = %(token_id)s AND ended_at IS NULL AND expires_at > %(now)s
    RETURNING expires_at, email, sessions.rotated_at, held.rotated_at AS issued_at
), revoked AS (
    INSERT INTO token_blacklist_outstandingtoken (user_id, jti, token, created_at, expires_at)
    SELECT %(user_id)s, %(token_id)s::text, '', issued_at, to_timestamp(%(token_expires)s) FROM rotated RETURNING id
), blacklisted AS (
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) SELECT id, %(now)s FROM revoked
)
SELECT expires_at, email, rotated_at FROM rotated
"""


def rotate_current(claims: Claims, client: Client, now: datetime) -> TokenPair | None:
    """The next pair, if this is the current token of a live session, whose user is active and verified."""
    signing_key()  # what cannot be signed must not be used up
    rotate_in = rotate_on_postgresql if ON_POSTGRESQL else rotate_on_sqlite
    session = rotate_in(claims, client, now)
    return TokenPair.of(session, session.user) if session else None


def rotate_on_postgresql(claims: Claims, client: Client, now: datetime) -> Session | None:
    next_id = uuid4()
    parameters: dict[str, Any] = {
        "user_id": claims.user_id,
        "session_id": claims.session_id,
        "token_id": claims.token_id,
        "token_expires": claims.expires,
        "next_id": next_id,
        "now": now,
        "ip": client.ip,
        "user_agent": client.user_agent,
    }
    with connection.cursor() as cursor:
        cursor.execute(ROTATE, parameters)
        row = cursor.fetchone()
    if row is None:
        return None
    expires_at, email, rotated_at = row
    user = User(id=claims.user_id, email=email)
    return Session(id=claims.session_id, user=user, refresh_id=next_id, rotated_at=rotated_at, expires_at=expires_at)


@transaction.atomic
def rotate_on_sqlite(claims: Claims, client: Client, now: datetime) -> Session | None:
    """The same in four statements, since SQLite writes nothing from a WITH. One transaction at a time writes."""
    current = Session.objects.filter(
        pk=claims.session_id,
        user=claims.user_id,
        user__is_active=True,
        user__is_verified=True,
        refresh_id=claims.token_id,
        ended_at=None,
        expires_at__gt=now,
    )
    session = current.select_related("user").first()
    if session:
        revoke_tokens([session])
        session.rotate(now, client)
    return session


def answer_other_token(claims: Claims, client: Client) -> TokenPair:
    """Refuses it, or gives the current one again; begins the session of an earlier service's token."""
    with transaction.atomic():
        user = User.objects.lock_active(pk=claims.user_id)
        now = timezone.now()
        session = Session.objects.filter(pk=claims.session_id, user=user).first()
        if session is None and user and claims.is_legacy:
            session = exchange_legacy_token(claims, user, client)
        if user is None or session is None or not session.is_live(now):
            raise InvalidRefreshToken
        if not user.is_verified:
            raise EmailNotVerified
        pair = None
        if claims.token_id == session.refresh_id:  # which began just now, or whose user has just verified the address
            pair = rotate_current(claims, client, now)
        elif claims.token_id == session.previous_id and now - session.rotated_at <= settings.REFRESH_GRACE:
            pair = TokenPair.of(session, user)
            if not session.was_refreshed_by(client):
                report_replay_elsewhere(user, session, client)
        else:
            end([session], Session.EndReason.REUSE)
            record(Kind.REFRESH_TOKEN_REUSED, by=Actor.anyone(client), address=user.email, user=user)
    if pair is None:  # raised only now that the end of the session is committed
        raise RefreshTokenReused
    return pair


def report_replay_elsewhere(user: User, session: Session, client: Client) -> None:
    """Counts a replay by another device or from another address than the rotation's: a thief's, or a change of network.

    Records it ten times an hour for a session, and mails the user once an hour: a token can be replayed at will.
    """
    REPLAYS_ELSEWHERE.inc()
    if count_in_database(f"replays:{session.pk}", timedelta(hours=1)).calls <= REPLAYS_RECORDED:
        record(Kind.REFRESH_TOKEN_REPLAYED, by=Actor.anyone(client), address=user.email, user=user)
    enqueue(Mail.Kind.TOKEN_REPLAYED, user.email, circumstances(client))


def log_out(*, user: User) -> None:
    """Ends every session of the user."""
    with transaction.atomic():
        if held := User.objects.lock_active(pk=user.pk):
            end_sessions(held, Session.EndReason.LOGOUT)


def end_session(*, session: Session) -> None:
    """Ends a session because its user signs out."""
    with transaction.atomic():
        held = User.objects.lock_active(pk=session.user_id)
        end(list(Session.objects.live().filter(pk=session.pk, user=held)), Session.EndReason.LOGOUT)


def end_sessions(user: User, reason: Session.EndReason, *, keep: Session | None = None) -> int:
    """Ends the user's sessions, in the caller's transaction, which holds the user's row. Returns how many."""
    if settings.LEGACY_TOKENS_UNTIL:
        end_legacy_tokens(user, reason)
    sessions = Session.objects.live().filter(user=user)
    return end(list(sessions.exclude(pk=keep.pk) if keep else sessions), reason)


def end_surplus(user: User) -> int:
    """Ends the oldest of the user's live sessions beyond the most that one may have; as `end_sessions` does."""
    newest_first = Session.objects.live().filter(user=user).order_by("-created_at")
    return end(list(newest_first[SESSIONS_PER_USER:]), Session.EndReason.LIMIT)


def end(sessions: list[Session], reason: Session.EndReason) -> int:
    revoke_tokens(sessions)
    record_revocations(sessions, reason)
    now = timezone.now()
    return Session.objects.filter(pk__in=[session.pk for session in sessions]).update(ended_at=now, end_reason=reason)


def revoke_tokens(sessions: list[Session]) -> None:
    """Records the ids of the sessions' current refresh tokens in simplejwt's blacklist.

    The stack requires that record, and nothing is decided by it: the session's row says which token is current.
    """
    revoked = OutstandingToken.objects.bulk_create(
        OutstandingToken(
            user_id=session.user_id,
            jti=str(session.refresh_id),
            token="",
            created_at=session.rotated_at,
            expires_at=session.refresh_expires_at,
        )
        for session in sessions
    )
    BlacklistedToken.objects.bulk_create(BlacklistedToken(token=token) for token in revoked)


def list_sessions(*, user: User, current: Session) -> list[dict[str, Any]]:
    """The user's live sessions, the last used first; `current` is the one the request came with."""
    rows = Session.objects.live().filter(user=user).order_by("-last_used_at", "id").values(*SESSION_FIELDS)
    return [{**row, "current": row["id"] == current.pk} for row in rows]


def revoke(*, user: User, session_id: UUID) -> None:
    """Ends one of the user's own live sessions.

    Raises:
        NotFound: it is not live, or not theirs.
    """
    with transaction.atomic():
        held = User.objects.lock_active(pk=user.pk)
        session = Session.objects.live().filter(pk=session_id, user=held).first()
        if session is None:
            raise NotFound
        end([session], Session.EndReason.REVOKED)


# --- Tokens of the earlier service ----------------------------------------------------------------------------------
#
# They name no session. A refresh token is the first one of a session that begins with its use, and is rotated like any
# other. The access tokens of a user share a session that begins with the first use of one. Once that one has ended, no
# earlier token of the user is taken any more.


def begin_legacy_session(claims: Claims, client: Client) -> Session | None:
    """The session of an access token of the earlier service at the first use of one; None if it is not taken.

    Of several first uses at once, the others find the session of the one that got the user's row.
    """
    with transaction.atomic():
        user = User.objects.lock_active(pk=claims.user_id)
        lasts = legacy_tokens_last(settings.ACCESS_TTL)
        if user is None or not lasts:
            return None
        if begun := Session.objects.select_related("user").filter(pk=claims.session_id).first():
            return begun if begun.is_live(timezone.now()) else None
        record(Kind.LEGACY_TOKEN_TAKEN, by=Actor.user(user, client), address=user.email, user=user, use="access")
        return start_session(user, client, lasts, id=claims.session_id)


def exchange_legacy_token(claims: Claims, user: User, client: Client) -> Session | None:
    """The session that begins with a refresh token of the earlier service, in the caller's transaction, as all here."""
    ended = Q(pk=legacy_session_id(user.pk), ended_at__isnull=False)
    of_another_user = Q(pk=claims.session_id)
    if not legacy_tokens_last() or Session.objects.filter(ended | of_another_user).exists():
        return None
    record(Kind.LEGACY_TOKEN_TAKEN, by=Actor.user(user, client), address=user.email, user=user, use="refresh")
    return start_session(user, client, id=claims.session_id, refresh_id=claims.token_id)


def end_legacy_tokens(user: User, reason: Session.EndReason) -> None:
    """Ends the session of a user's access tokens of the earlier service, also if none of them has been used."""
    session = Session.objects.filter(pk=legacy_session_id(user.pk)).first()
    lasts = legacy_tokens_last(settings.ACCESS_TTL)
    if session is None and lasts:
        session = start_session(user, NO_CLIENT, lasts, id=legacy_session_id(user.pk))
    if session and session.ended_at is None:
        end([session], reason)


def legacy_tokens_last(longer: timedelta = timedelta(0)) -> timedelta | None:
    """How long they are still taken; None if they are not."""
    until: datetime | None = settings.LEGACY_TOKENS_UNTIL
    left = until + longer - timezone.now() if until else timedelta(0)
    return left if left > timedelta(0) else None
