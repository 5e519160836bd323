"""The keys that sign tokens, and what services that verify them by themselves must hear."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    def in_use(self) -> SigningKeyQuerySet:
        """Those that are published and verify, the newest first."""
        return self.filter(retired_at=None).order_by("-staged_at")

    def active(self) -> SigningKeyQuerySet:
        return self.filter(activated_at__isnull=False, replaced_at=None)


class SigningKey(models.Model):
    """A key pair that tokens are signed with: staged, then active, then replaced, then retired."""

    kid = models.CharField(max_length=43, primary_key=True)  # RFC 7638 thumbprint
    algorithm = models.CharField(max_length=5)
    public_jwk = models.JSONField()
    sealed = models.TextField()  # the private key, encrypted
    staged_at = models.DateTimeField(default=timezone.now)
    activated_at = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        db_table = "signing_keys"
        constraints = [
            models.UniqueConstraint(
                models.Value(1),
                condition=Q(activated_at__isnull=False, replaced_at=None),
                name="signing_keys_one_active",
            ),
        ]

    def __str__(self) -> str:
        return self.kid

    @property
    def is_active(self) -> bool:
        return self.activated_at is not None and self.replaced_at is None


class Revocation(models.Model):
    """A session that ended before its tokens did. It names the session and the user by id alone, and outlives both."""

    session_id = models.UUIDField(primary_key=True)
    user_id = models.UUIDField()
    reason = models.CharField(max_length=8)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "revocations"
        indexes = [
            # What services ask for from a moment on, and the purge.
            models.Index(fields=["at", "session_id"], name="revocations_since"),
        ]

    def __str__(self) -> str:
        return f"session {self.session_id}"
