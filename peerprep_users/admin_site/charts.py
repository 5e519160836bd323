"""Charts for the theme's canvas (Chart.js), each with a table of the same numbers for those who cannot see it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import pluralize

BLUE, RED, GREEN = "#3b82f6", "#ef4444", "#16a34a"  # contrast of 3:1 at least with the light and the dark background
PALE = "55"  # the opacity that follows a colour
UNKNOWN = "#9ca3af" + PALE  # bands over the whole height
FEW = 2  # with fewer numbers none is an outlier
OUTLIER = 4  # times what three quarters of the numbers stay within
LEAST = 5  # so much a day is usual in any case
CUT = 2  # times the limit: what is no higher fits a scale without one

Number = int | float


@dataclass(frozen=True)
class Series:
    """Bars, or with `percent` a line in the colour of the text that has a scale of its own on the right.

    Args:
        before: the sum over the period before; None where it is not known.
    """

    name: str
    numbers: Sequence[Number | None]
    colour: str = BLUE
    percent: bool = False
    before: int | None = None

    @property
    def total(self) -> Number:
        return sum(number or 0 for number in self.numbers)

    @property
    def covers(self) -> str:
        """What the total is of, where some of its days are not counted."""
        counted = sum(number is not None for number in self.numbers)
        return "" if counted == len(self.numbers) else f" on {counted} counted day{pluralize(counted)}"

    @property
    def reach(self) -> Number:
        """How high its bars may go before they are outliers."""
        known = sorted(number for number in self.numbers if number)
        if len(known) < FEW:
            return max(known, default=0)
        return OUTLIER * max(LEAST, known[(len(known) - 1) * 3 // 4])

    def dataset(self, *, last_is_partial: bool) -> dict[str, Any]:
        data = {"label": self.name, "data": self.numbers, "pointHitRadius": 8}
        if self.percent:  # in front of the bars
            return {**data, "type": "line", "yAxisID": "percent", "order": -1, "borderWidth": 2, "pointRadius": 2}
        whole = len(self.numbers) - last_is_partial
        fills = [self.colour] * whole + [self.colour + PALE] * last_is_partial
        border = {"borderColor": self.colour, "borderWidth": {"top": 1}}  # none at the sides of bars 1.5 pixels wide
        return {**data, "backgroundColor": fills, **border, "minBarLength": 2}


@dataclass(frozen=True)
class Chart:
    """Sideways, bars of names; otherwise of days, the last of which is not over."""

    title: str
    link: str
    labels: Sequence[str]
    series: Sequence[Series]
    links: Sequence[str] = ()  # of each label, where there is a list of its rows
    first: str = "UTC day"  # what the labels are
    sideways: bool = False

    @property
    def bars(self) -> list[Series]:
        return [series for series in self.series if not series.percent]

    @property
    def is_empty(self) -> bool:
        return all(number == 0 for series in self.bars for number in series.numbers)

    @property
    def name(self) -> str:
        """What a screen reader says instead of the picture."""
        totals = ", ".join(f"{series.name} {series.total:,}{series.covers}" for series in self.bars)
        return f"{self.title}, chart. Totals: {totals}. The numbers are in the table below."

    @property
    def is_unknown(self) -> list[bool]:
        """Of each label, whether a bar is missing. A line may have gaps of its own: no share of nothing is solved."""
        return [None in numbers for numbers in zip(*(series.numbers for series in self.bars), strict=True)]

    @property
    def limit(self) -> Number | None:
        """Where the scale ends if it would otherwise be made by outliers; their bars are marked."""
        limit = max(series.reach for series in self.bars)
        return limit if self.highest[0] > CUT * limit and not self.sideways else None

    @property
    def highest(self) -> tuple[Number, str]:
        """The largest number, and its label."""
        return max(
            (number or 0, label)
            for series in self.bars
            for number, label in zip(series.numbers, self.labels, strict=True)
        )

    @property
    def data(self) -> str:
        datasets = [series.dataset(last_is_partial=not self.sideways) for series in self.series]
        if any(self.is_unknown):
            band = {"backgroundColor": UNKNOWN, "barPercentage": 1, "categoryPercentage": 1, "grouped": False}
            data = [1 if unknown else None for unknown in self.is_unknown]
            datasets.append({"label": "Not counted", "data": data, "yAxisID": "unknown", "order": 1, **band})
        return json.dumps({"labels": self.labels, "datasets": datasets})

    @property
    def options(self) -> str:
        axis = "y" if self.sideways else "x"
        return json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "indexAxis": axis,
                "interaction": {"mode": "index", "axis": axis, "intersect": False},
                "plugins": {"legend": {"display": True, "align": "end", "labels": {"boxWidth": 10, "boxHeight": 10}}},
                "scales": self.scales,
            }
        )

    @property
    def scales(self) -> dict[str, Any]:
        values = {"beginAtZero": True, "ticks": {"precision": 0, "maxTicksLimit": 6}}
        values |= titled(", ".join(series.name for series in self.bars))
        names = {"grid": {"display": False}}
        if self.sideways:
            return {"x": values, "y": names | titled(self.first)}
        days = {**names, "ticks": {"autoSkip": False, "maxRotation": 0}, **titled(f"{self.first}; today is not over")}
        scales = {"x": days, "y": values | ({"max": self.limit} if self.limit else {})}
        if any(self.is_unknown):
            scales["unknown"] = {"display": False, "min": 0, "max": 1}
        for series in self.series:
            if series.percent:
                scale = {"min": 0, "max": 100, "position": "right", "grid": {"display": False}, **titled(series.name)}
                scales["percent"] = {**scale, "ticks": {"maxTicksLimit": 6}}
        return scales

    @property
    def rows(self) -> list[tuple[str, str, list[Number | None]]]:
        """The rows of the table: label, link, numbers. Of days the newest first."""
        columns = zip(*(series.numbers for series in self.series), strict=True)
        links = self.links or [""] * len(self.labels)
        rows = [(label, link, list(numbers)) for label, link, numbers in zip(self.labels, links, columns, strict=True)]
        return rows if self.sideways else rows[::-1]


def titled(text: str) -> dict[str, Any]:
    return {"title": {"display": True, "text": text}}
