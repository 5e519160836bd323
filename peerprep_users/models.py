"""What happened on each day, in numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

from django.db import models
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce


class DailyFigureQuerySet(models.QuerySet["DailyFigure"]):
    def totals(self, first: date) -> DailyFigureQuerySet:
        """From that day on, what tells that a day is counted."""
        return self.filter(day__gte=first, label="")

    def series(self, first: date, labelled: Collection[str]) -> Iterable[tuple[str, str, date, int]]:
        """Every day's totals, and of the names `labelled` the parts too."""
        rows = self.filter(Q(label="") | Q(name__in=labelled), day__gte=first)
        return rows.values_list("name", "label", "day", "value")

    def shares(self, first: date, whole: str, part: str, most: int) -> Iterable[tuple[str, int, int]]:
        """From that day on, each label's sums of two names, of the labels that have most of the first."""
        sums = {name: Coalesce(Sum("value", filter=Q(name=name)), 0) for name in (whole, part)}
        rows = self.filter(name__in=sums, day__gte=first).exclude(label="").values("label")
        return rows.annotate(**sums).order_by(f"-{whole}", "label").values_list("label", whole, part)[:most]


class DailyFigure(models.Model):
    """How often something happened on a UTC day that is over. It stays when the rows that were counted go."""

    day = models.DateField()
    name = models.CharField(max_length=32)
    label = models.CharField(max_length=64, blank=True)  # the part that it is of, such as a language; "" is the total
    value = models.PositiveBigIntegerField()

    objects = DailyFigureQuerySet.as_manager()

    class Meta:
        db_table = "daily_figures"
        constraints = [
            # Also the index behind the dashboard: some names, the last 90 days.
            models.UniqueConstraint(fields=["name", "day", "label"], name="daily_figures_once"),
        ]
        indexes = [
            # Every name's totals, which the dashboard draws and the next count begins with.
            models.Index(fields=["day"], condition=Q(label=""), name="daily_figures_totals"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.label} on {self.day}"
