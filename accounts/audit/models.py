"""The tables of the audit trail, and how an entry shows that somebody has changed it.

An entry is sealed when it is written: an HMAC over its content, which shares nothing with other entries, so that no
writer waits for another. The entries are chained afterwards, in `accounts/flows/trail.py`. An entry notes the head that
it was written after, so that nobody chains what came before it anew without the key of the seals. What is personal in
an entry, of whom it concerns and of who acted, enters the seal by salted digests alone, so that it can be erased and
leaves the chain as it is.
"""

import hashlib
import json
import secrets
from datetime import UTC
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from core.client import USER_AGENT_LENGTH

MASKED_LENGTH = 257  # a masked address may have three characters more than an address has at most
NAME_LENGTH = 254
SIGNATURE_LENGTH = 73  # the id of the key, a dot, the HMAC
HEAD_LENGTH = 19 + 1 + SIGNATURE_LENGTH
ERASED = {"address": "", "salt": ""}  # of whom the entry concerns
ERASED_ACTOR = {"actor_name": "", "ip": None, "user_agent": "", "actor_salt": ""}
SECURITY_KINDS = ["account_locked", "refresh_token_reused", "password_reset", "password_changed"]


class AppendOnly(Exception):
    """Entries are neither changed nor deleted. The database refuses it too."""


# --- Signatures -----------------------------------------------------------------------------------------------------


def keyring() -> tuple[str, ...]:
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=16)
def key_id(secret: str) -> str:
    return salted_hmac("accounts.audit-key", "", secret, algorithm="sha256").hexdigest()[:8]


def sign(purpose: str, value: str, secret: str | None = None) -> str:
    """The HMAC of a value, after the id of the key, by which a missing key is told from a wrong signature."""
    secret = secret or settings.SECRET_KEY
    mac = salted_hmac(f"accounts.audit-{purpose}", value, secret, algorithm="sha256").hexdigest()
    return f"{key_id(secret)}.{mac}"


def secret_behind(signature: str) -> str | None:
    """The key that a signature names; None where it is not among ours."""
    named = signature.partition(".")[0]
    return next((secret for secret in keyring() if key_id(secret) == named), None)


def is_signed(purpose: str, value: str, signature: str) -> bool:
    secret = secret_behind(signature)
    return secret is not None and constant_time_compare(signature, sign(purpose, value, secret))


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def sha256(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


# --- Tables ---------------------------------------------------------------------------------------------------------


class AuditEntry(models.Model):
    """Who did what to whose account, when, from where and why.

    Triggers hold it append-only. On SQLite a migration that makes the table anew has to make them anew too.
    """

    class Kind(models.TextChoices):
        ACCOUNT_LOCKED = "account_locked"
        REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105
        PASSWORD_RESET = "password_reset"  # noqa: S105
        PASSWORD_CHANGED = "password_changed"  # noqa: S105
        ACCOUNT_CREATED = "account_created"
        ACCOUNT_RENAMED = "account_renamed"
        ADDRESS_VERIFIED = "address_verified"
        VERIFICATION_RESENT = "verification_resent"
        RESET_CODE_SENT = "reset_code_sent"
        MAIL_RESENT = "mail_resent"
        LOCK_OPENED = "lock_opened"
        SESSIONS_ENDED = "sessions_ended"
        ROLE_CHANGED = "role_changed"
        ACCOUNT_DEACTIVATED = "account_deactivated"
        ACCOUNT_REACTIVATED = "account_reactivated"
        ACCOUNT_EXPORTED = "account_exported"
        ACCOUNT_DELETED = "account_deleted"
        KEY_STAGED = "key_staged"
        KEY_ACTIVATED = "key_activated"
        KEY_RETIRED = "key_retired"
        TRAIL_PRUNED = "trail_pruned"
        TRAIL_RESTARTED = "trail_restarted"

    class ActorKind(models.TextChoices):
        ANYONE = "anyone"  # who sent a request that proved nothing
        USER = "user"  # the owner of the account
        ADMIN = "admin"
        OPERATOR = "operator"  # by a command
        SERVICE = "service"  # by itself

    ERASABLE = (ActorKind.USER, ActorKind.ANYONE)  # whose own device it was, as far as anybody knows

    kind = models.CharField(max_length=32, choices=Kind)
    occurred_at = models.DateTimeField(default=timezone.now)
    actor_kind = models.CharField("by", max_length=8, choices=ActorKind)
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    user_id = models.UUIDField(null=True)  # whose account; no foreign key, since the entry outlives it
    address = models.CharField(max_length=MASKED_LENGTH, blank=True)  # masked
    ip = models.GenericIPAddressField("IP address", null=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    request_id = models.CharField(max_length=128)
    reason = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    after = models.CharField(max_length=HEAD_LENGTH, blank=True, editable=False)  # the head when it was written
    salt = models.CharField(max_length=32, blank=True, editable=False)  # empty: the address has been erased
    commitment = models.CharField(max_length=64, editable=False)  # the salted digest of the address
    actor_salt = models.CharField(max_length=32, blank=True, editable=False)  # empty: name and device have been erased
    actor_commitment = models.CharField(max_length=64, editable=False)  # the salted digest of name and device
    seal = models.CharField(max_length=SIGNATURE_LENGTH, editable=False)
    position = models.BigIntegerField(null=True, editable=False)  # in the chain; none yet: still to be chained
    hash = models.CharField(max_length=SIGNATURE_LENGTH, blank=True, editable=False)

    class Meta:
        db_table = "audit_trail"
        verbose_name = "audit entry"
        verbose_name_plural = "audit trail"
        constraints = [
            models.UniqueConstraint(fields=["position"], name="audit_trail_position_once"),
            models.UniqueConstraint(fields=["seal"], name="audit_trail_no_copies"),
            models.CheckConstraint(
                condition=Q(position=None, hash="") | Q(position__gte=1) & ~Q(hash=""),
                name="audit_trail_chained_whole",
            ),
        ]
        indexes = [
            # The admin site's list, newest first.
            models.Index(fields=["-occurred_at"], name="audit_trail_newest"),
            # The same, security events alone.
            models.Index(fields=["-occurred_at"], condition=Q(kind__in=SECURITY_KINDS), name="audit_trail_security"),
            # What concerns one user: their page, their export, erasing it.
            models.Index(fields=["user_id", "-occurred_at"], name="audit_trail_of_user"),
            # What one user did: their export.
            models.Index(fields=["actor_id", "-occurred_at"], name="audit_trail_by_actor"),
            # What is to be chained next.
            models.Index(fields=["id"], condition=Q(position=None), name="audit_trail_unchained"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.occurred_at:%Y-%m-%d %H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        self.after = AuditHead.noted()
        self.salt, self.actor_salt = secrets.token_hex(16), secrets.token_hex(16)
        self.commitment, self.actor_commitment = self.digest(), self.actor_digest()
        self.seal = sign("seal", self.content())
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise AppendOnly

    def content(self) -> str:
        """What the seal is of."""
        time = self.occurred_at.astimezone(UTC).isoformat()
        what = [self.kind, time, self.actor_kind, self.actor_id, self.user_id, self.request_id, self.reason, self.facts]
        return canonical([*what, self.after, self.commitment, self.actor_commitment])

    def digest(self) -> str:
        """What the commitment is, as long as the address is there."""
        return sha256([self.salt, self.address])

    def actor_digest(self) -> str:
        ip = self.ip and str(ip_address(self.ip))  # PostgreSQL writes some addresses of IPv6 otherwise
        return sha256([self.actor_salt, self.actor_name, ip, self.user_agent])

    def link(self, previous: str) -> str:
        """What the hash is of: the one before, and the seal."""
        return canonical([previous, self.position, self.seal])

    @property
    def may_lack_actor(self) -> bool:
        """Whether an erasure may have taken name and device. What an admin or an operator did stays with their name."""
        return self.kind != self.Kind.ACCOUNT_DELETED and self.actor_kind in self.ERASABLE

    def is_erased(self, part: dict[str, Any]) -> bool:
        return all(getattr(self, name) == empty for name, empty in part.items())


class AuditHead(models.Model):
    """The last entry that was chained. Whoever chains holds this row, and a trigger lets it only move on."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    position = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=SIGNATURE_LENGTH, blank=True)

    class Meta:
        db_table = "audit_head"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="audit_head_one")]

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"

    @classmethod
    def noted(cls) -> str:
        """The head as an entry notes it: `POSITION:HASH`, or nothing where nothing is chained. It holds no row."""
        head = cls.objects.first()
        return str(head) if head and head.position else ""
