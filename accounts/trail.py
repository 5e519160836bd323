"""The tables of the audit trail, and how an entry shows that somebody has changed it.

An entry is sealed when it is written: an HMAC over its content, which shares nothing with other entries, so that no
writer waits for another. The entries are chained afterwards, in `accounts/flows/trail.py`. What is personal in an entry
enters the seal by a salted digest alone, so that it can be erased and leaves the chain as it is.
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

from peerprep_users.clients import USER_AGENT_LENGTH

MASKED_LENGTH = 257  # a masked address may have three characters more than an address has at most
NAME_LENGTH = 254
SIGNATURE_LENGTH = 73  # the id of the key, a dot, the HMAC
ERASED = {"address": "", "actor_name": "", "ip": None, "user_agent": "", "salt": ""}


class AppendOnly(Exception):  # noqa: N818 - somebody tried
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

    class ActorKind(models.TextChoices):
        ANYONE = "anyone"  # who sent a request that proved nothing
        USER = "user"  # the owner of the account
        ADMIN = "admin"
        OPERATOR = "operator"  # by a command
        SERVICE = "service"  # by itself

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
    salt = models.CharField(max_length=32, blank=True, editable=False)  # empty: what is personal has been erased
    commitment = models.CharField(max_length=64, editable=False)  # the salted digest of what is personal
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
            # What concerns one user: their page, their export, erasing it.
            models.Index(fields=["user_id", "-occurred_at"], name="audit_trail_of_user"),
            # What one user did: their export, erasing it.
            models.Index(fields=["actor_id", "-occurred_at"], name="audit_trail_by_actor"),
            # What is to be chained next.
            models.Index(fields=["id"], condition=Q(position=None), name="audit_trail_unchained"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.occurred_at:%Y-%m-%d %H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        self.salt = secrets.token_hex(16)
        self.commitment = self.digest()
        self.seal = sign("seal", self.content())
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise AppendOnly

    def content(self) -> str:
        """What the seal is of."""
        time = self.occurred_at.astimezone(UTC).isoformat()
        actor = [self.actor_kind, self.actor_id]
        return canonical(
            [self.kind, time, *actor, self.user_id, self.request_id, self.reason, self.facts, self.commitment]
        )

    def digest(self) -> str:
        """What the commitment is, as long as nothing was erased."""
        ip = self.ip and str(ip_address(self.ip))  # PostgreSQL writes some addresses of IPv6 otherwise
        personal = [self.salt, self.address, self.actor_name, ip, self.user_agent]
        return hashlib.sha256(canonical(personal).encode()).hexdigest()

    def link(self, previous: str) -> str:
        """What the hash is of: the one before, and the seal."""
        return canonical([previous, self.position, self.seal])

    @property
    def is_erased(self) -> bool:
        return all(getattr(self, name) == empty for name, empty in ERASED.items())


class AuditHead(models.Model):
    """The last entry that was chained. Whoever chains holds this row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    position = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=SIGNATURE_LENGTH, blank=True)

    class Meta:
        db_table = "audit_head"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="audit_head_one")]

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"
