"""The table of daily figures."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

from django.db import models
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce


class DailyFigureQuerySet(models.QuerySet["DailyFigure"]):
    def totals(self, first: date) -> DailyFigureQuerySet:
        """From that day on: a day that has a total is counted."""
        return self.filter(day__gte=first, label="")

    def series(self, first: date, labelled: Collection[str]) -> Iterable[tuple[str, str, date, int]]:
        """Every day's totals, and the figures by label of the names in `labelled`."""
        rows = self.filter(Q(label="") | Q(name__in=labelled), day__gte=first)
        return rows.values_list("name", "label", "day", "value")

    def shares(self, first: date, whole: str, part: str, most: int) -> Iterable[tuple[str, int, int]]:
        """For each label, its sums of two names from that day on. The `most` labels with the largest first sum."""
        sums = {name: Coalesce(Sum("value", filter=Q(name=name)), 0) for name in (whole, part)}
        rows = self.filter(name__in=sums, day__gte=first).exclude(label="").values("label")
        return rows.annotate(**sums).order_by(f"-{whole}", "label").values_list("label", whole, part)[:most]


class DailyFigure(models.Model):
    """How often something happened on a past UTC day. It outlives the rows that were counted."""

    day = models.DateField()
    name = models.CharField(max_length=32)
    label = models.CharField(max_length=64, blank=True)  # such as a language; empty for the total
    value = models.PositiveBigIntegerField()

    objects = DailyFigureQuerySet.as_manager()

    class Meta:
        db_table = "daily_figures"
        constraints = [
            # Its index also serves the overview: some names, the last 90 days.
            models.UniqueConstraint(fields=["name", "day", "label"], name="daily_figures_once"),
        ]
        indexes = [
            # The totals of every name: the overview, and what is still to be counted.
            models.Index(fields=["day"], condition=Q(label=""), name="daily_figures_totals"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.label} on {self.day}"
