"""The queue of mails."""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH
from core.outbox import Outgoing, OutgoingQuerySet


class Mail(Outgoing):
    """A mail to be sent: its kind and its facts, written in the transaction of the change that causes it.

    Its text, with the link or the code, is made only when it is sent, so that no secret is ever stored.
    """

    class Kind(models.TextChoices):
        VERIFICATION = "verification", "Verification link"
        RESET_CODE = "reset_code", "Reset code"
        PASSWORD_CHANGED = "password_changed", "Password changed"
        ACCOUNT_LOCKED = "account_locked", "Account locked"
        NEW_DEVICE = "new_device", "Sign-in on a new device"
        TOKEN_REPLAYED = "token_replayed", "Use on a new device or network"
        CODE_EXHAUSTED = "code_exhausted", "Too many wrong reset codes"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=Kind)
    to = models.EmailField(max_length=EMAIL_LENGTH)

    objects = OutgoingQuerySet["Mail"].as_manager()

    class Meta:
        db_table = "mails"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["queued", "sent", "dropped", "dead"]), name="mails_state"),
        ]
        indexes = [
            # The next one to send; the age of the oldest.
            models.Index(fields=["due_at"], condition=Q(state="queued"), name="mails_due"),
            # How many an address was sent lately; an account's deletion.
            models.Index(fields=["to", "kind", "created_at"], name="mails_to"),
            # The admin site's list, newest first; a day's mails.
            models.Index(fields=["-created_at", "id"], name="mails_newest"),
            # The dead ones.
            models.Index(fields=["-created_at"], condition=Q(state="dead"), name="mails_dead"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.to}"

    @property
    def is_too_late(self) -> bool:
        """Whether a code would have expired by now, had it been sent when it was asked for."""
        return self.kind == self.Kind.RESET_CODE and self.created_at + settings.RESET_CODE_TTL < timezone.now()
