"""An outbox: rows written in the transaction of the change that causes them, and sent afterwards."""

from datetime import datetime
from typing import Self, TypeVar

from django.db import models
from django.db.models import Min
from django.utils import timezone

from core.estimates import count_or_estimate

RowT = TypeVar("RowT", bound=models.Model)


class OutboxQuerySet(models.QuerySet[RowT]):
    """Rows that leave, and have the time of their creation in `created_at`."""

    def waiting(self) -> Self:
        return self.all()

    def counts(self) -> dict[str, int]:
        """How many there are, by state; of many, about."""
        return {"queued": count_or_estimate(self.waiting()).value}

    def oldest_age(self) -> float:
        """For how many seconds the oldest row has been queued; 0 where none is."""
        began = self.began()
        return max(0.0, (timezone.now() - began).total_seconds()) if began else 0.0

    def began(self) -> datetime | None:
        """When the oldest was queued."""
        oldest: datetime | None = self.waiting().aggregate(Min("created_at"))["created_at__min"]
        return oldest
