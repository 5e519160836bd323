from datetime import datetime, timedelta
from uuid import uuid4

from django.db import models
from django.db.models import Q, Subquery
from django.utils import timezone

from core.outbox import OutboxQuerySet


class RateCount(models.Model):
    """How often something happened in the present window: calls of one client, where there is no Redis; mails."""

    name = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    until = models.FloatField()  # Unix time

    class Meta:
        db_table = "rate_counts"

    def __str__(self) -> str:
        return self.name


class EventQuerySet(OutboxQuerySet["Event"]):
    CLAIM = timedelta(seconds=30)
    MOST_AT_ONCE = 100

    def began(self) -> datetime | None:
        """By the position: no index has the times."""
        return self.order_by("position").values_list("created_at", flat=True).first()

    def claim(self) -> list["Event"]:
        """The first events, in order; none while another publisher has the very first one."""
        oldest = self.order_by("position")
        if not oldest.exists():
            return []  # the usual case, which needs no write
        now = timezone.now()
        free = Q(claimed_until=None) | Q(claimed_until__lte=now)
        first = self.filter(free, position=Subquery(oldest.values("position")[:1]))
        return list(oldest[: self.MOST_AT_ONCE]) if first.update(claimed_until=now + self.CLAIM) else []


class Event(models.Model):
    """What other services are to hear, until RabbitMQ has it. It names users by id alone, and outlives them."""

    class Type(models.TextChoices):
        USER_REGISTERED = "user.registered", "User registered"
        USER_VERIFIED = "user.verified", "User verified"
        USER_RENAMED = "user.renamed", "User renamed"
        USER_ROLE_CHANGED = "user.role_changed", "Role of a user changed"
        USER_DEACTIVATED = "user.deactivated", "User deactivated"
        USER_DELETED = "user.deleted", "User deleted"
        SESSION_ENDED = "session.ended", "Session ended"
        ATTEMPT_RECORDED = "attempt.recorded", "Attempt recorded"
        QUESTION_SOLVED = "question.solved", "Question solved"

    position = models.BigAutoField(primary_key=True)
    id = models.UUIDField(default=uuid4)
    type = models.CharField(max_length=20, choices=Type)
    user_id = models.UUIDField()
    data = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)
    claimed_until = models.DateTimeField(null=True)  # of the first one alone: a publisher has it, or has failed

    objects = EventQuerySet.as_manager()

    class Meta:
        db_table = "events"
        indexes = [models.Index(fields=["id"], name="events_id")]  # the admin site's search

    def __str__(self) -> str:
        return f"{self.type} of {self.user_id}"
