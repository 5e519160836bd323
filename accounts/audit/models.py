"""The tables of the audit trail.

An entry is sealed when it is written, with an HMAC over its content and the head of the chain at that time. It shares
nothing with other entries, so no writer waits for another; `chain.py` links the entries later. Personal data is stored
in a table of its own, which the seal does not cover, and is erased with the account.
"""

import json
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core.signing import Signer
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from core.client import USER_AGENT_LENGTH
from core.times import moment

MASKED_LENGTH = 257  # a masked address may have three characters more than an address has at most
ACTOR_NAME_LENGTH = 254
SIGNATURE_LENGTH = 43  # HMAC-SHA256 in base64, without padding
SECURITY_KINDS = [
    "account_locked",
    "refresh_token_reused",
    "refresh_token_replayed",
    "reset_code_exhausted",
    "password_reset",
    "password_changed",
]


def sign(purpose: str, values: list[Any], key: str | None = None) -> str:
    """The HMAC of the values, with SECRET_KEY unless another key is given."""
    text = json.dumps(values, sort_keys=True, default=str)
    return Signer(salt=f"accounts.audit.{purpose}").signature(text, key)


def is_signed(purpose: str, values: list[Any], signature: str) -> bool:
    """Whether it is the HMAC with SECRET_KEY or one of SECRET_KEY_FALLBACKS."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(signature, sign(purpose, values, key)) for key in keys)


class AuditEntryManager(models.Manager["AuditEntry"]):
    def get_queryset(self) -> models.QuerySet["AuditEntry"]:
        return super().get_queryset().select_related("personal_data")

    def chained(self) -> models.QuerySet["AuditEntry"]:
        return self.exclude(position=None)


class AuditEntry(models.Model):
    """Who did what to whose account, when and why.

    Triggers keep it append-only. On SQLite, a migration that recreates the table has to recreate them too.
    """

    class Kind(models.TextChoices):
        ACCOUNT_LOCKED = "account_locked", "Account locked"
        REFRESH_TOKEN_REUSED = "refresh_token_reused", "Refresh token used twice"
        REFRESH_TOKEN_REPLAYED = "refresh_token_replayed", "Refresh token sent again"
        RESET_CODE_EXHAUSTED = "reset_code_exhausted", "Too many wrong codes"
        LEGACY_TOKEN_TAKEN = "legacy_token_taken", "Earlier token accepted"
        PASSWORD_RESET = "password_reset", "Password reset"
        PASSWORD_CHANGED = "password_changed", "Password changed"
        PASSWORD_CHOSEN = "password_chosen", "First password chosen"
        ACCOUNT_CREATED = "account_created", "Account created"
        ACCOUNT_RENAMED = "account_renamed", "Name changed"
        ADDRESS_VERIFIED = "address_verified", "Address verified"
        VERIFICATION_RESENT = "verification_resent", "New link requested"
        RESET_CODE_SENT = "reset_code_sent", "Reset code requested"
        MAIL_RESENT = "mail_resent", "Mail queued again"
        LOCK_OPENED = "lock_opened", "Account unlocked"
        SESSIONS_ENDED = "sessions_ended", "Sessions ended"
        ROLE_CHANGED = "role_changed", "Role changed"
        ACCOUNT_DEACTIVATED = "account_deactivated", "Account deactivated"
        ACCOUNT_REACTIVATED = "account_reactivated", "Account reactivated"
        ACCOUNT_EXPORTED = "account_exported", "Data exported"
        LIST_EXPORTED = "list_exported", "List exported"
        ACCOUNT_DELETED = "account_deleted", "Account deleted"
        DATA_IMPORTED = "data_imported", "Data imported"
        KEY_STAGED = "key_staged", "Signing key published"
        KEY_ACTIVATED = "key_activated", "Signing key put into use"
        KEY_RETIRED = "key_retired", "Signing key retired"
        TRAIL_PRUNED = "trail_pruned", "Old entries deleted"
        TRAIL_RESTARTED = "trail_restarted", "Audit trail continued"

    class ActorKind(models.TextChoices):
        ANYONE = "anyone"  # an unauthenticated request
        USER = "user"  # the owner of the account
        ADMIN = "admin"
        OPERATOR = "operator"  # with a command
        SERVICE = "service"  # the service itself

    kind = models.CharField(max_length=32, choices=Kind)
    occurred_at = models.DateTimeField(default=timezone.now)
    actor_kind = models.CharField("by", max_length=8, choices=ActorKind)
    actor_id = models.UUIDField(null=True)
    user_id = models.UUIDField(null=True)  # the account concerned; no foreign key, since the entry outlives it
    request_id = models.CharField(max_length=128)
    reason = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    # The head of the chain when the entry was written. Rebuilding the chain before it takes the key of this seal.
    after_position = models.BigIntegerField(default=0, editable=False)
    after_hash = models.CharField(max_length=SIGNATURE_LENGTH, blank=True, editable=False)
    seal = models.CharField(max_length=SIGNATURE_LENGTH, editable=False)
    position = models.BigIntegerField(null=True, editable=False)  # in the chain; null until it is chained
    hash = models.CharField(max_length=SIGNATURE_LENGTH, blank=True, editable=False)

    objects = AuditEntryManager()

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
            # A user's page and export, and the erasure of their personal data.
            models.Index(fields=["user_id", "-occurred_at"], name="audit_trail_of_user"),
            # The export of what a user did as an admin.
            models.Index(fields=["actor_id", "-occurred_at"], name="audit_trail_by_actor"),
            # The next entries to chain.
            models.Index(fields=["id"], condition=Q(position=None), name="audit_trail_unchained"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {moment(self.occurred_at)}"

    def sealed_values(self) -> list[Any]:
        what = [self.kind, self.occurred_at, self.actor_kind, self.actor_id, self.user_id, self.request_id, self.reason]
        return [*what, self.facts, self.after_position, self.after_hash]

    @property
    def is_erasable(self) -> bool:
        """Whether the deletion of the account erases all personal data: its owner or an unauthenticated request acted.
        Where an admin or operator acted, it erases the address of the account alone.
        """
        by_owner = self.user_id is not None and self.actor_id == self.user_id
        return by_owner or self.actor_kind == self.ActorKind.ANYONE

    @property
    def personal(self) -> "AuditPersonalData":
        """The personal data; blank if it has been erased."""
        return getattr(self, "personal_data", None) or AuditPersonalData()

    @property
    def address(self) -> str:
        return self.personal.address

    @property
    def actor_name(self) -> str:
        return self.personal.actor_name

    @property
    def ip(self) -> str | None:
        return self.personal.ip

    @property
    def user_agent(self) -> str:
        return self.personal.user_agent


class AuditPersonalData(models.Model):
    """The personal data of an entry. Its own HMAC shows changes, and binds it to the entry."""

    entry = models.OneToOneField(AuditEntry, models.CASCADE, primary_key=True, related_name="personal_data")
    address = models.CharField(max_length=MASKED_LENGTH, blank=True)  # of the account concerned, masked
    actor_name = models.CharField(max_length=ACTOR_NAME_LENGTH, blank=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    seal = models.CharField(max_length=SIGNATURE_LENGTH, editable=False)

    class Meta:
        db_table = "audit_personal"

    def __str__(self) -> str:
        return f"personal data of {self.entry}"

    def sealed_values(self) -> list[Any]:
        ip = self.ip and str(ip_address(self.ip))  # PostgreSQL spells some IPv6 addresses differently
        return [self.entry.seal, self.address, self.actor_name, ip, self.user_agent]


class AuditHead(models.Model):
    """The end of the chain. Chaining locks this row, and a trigger keeps it from moving back."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    position = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=SIGNATURE_LENGTH, blank=True)

    class Meta:
        db_table = "audit_head"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="audit_head_one")]

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"
