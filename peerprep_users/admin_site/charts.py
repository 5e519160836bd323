"""Charts for the theme's canvas (Chart.js), each with a table of the same numbers for those who cannot see it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BLUE, RED, GREEN = "#3b82f6", "#ef4444", "#16a34a"  # contrast of 3:1 at least with the light and the dark background

Number = int | float | None


@dataclass(frozen=True)
class Series:
    """Bars, or with `percent` a line that has a scale of its own on the right."""

    name: str
    numbers: Sequence[Number]
    colour: str = BLUE
    percent: bool = False

    @property
    def dataset(self) -> dict[str, Any]:
        data = {"label": self.name, "data": self.numbers, "pointHitRadius": 8, "backgroundColor": self.colour}
        if not self.percent:
            return {**data, "borderRadius": 2}
        line = {"type": "line", "yAxisID": "percent", "order": -1}  # in front of the bars
        return {**data, **line, "borderColor": self.colour, "borderWidth": 2, "pointRadius": 0}


@dataclass(frozen=True)
class Chart:
    title: str
    link: str
    labels: Sequence[str]
    series: Sequence[Series]
    first: str = "Day"  # what the labels are
    sideways: bool = False

    @property
    def has_data(self) -> bool:
        return any(number for series in self.series for number in series.numbers)

    @property
    def name(self) -> str:
        """What a screen reader says instead of the picture."""
        totals = [
            f"{series.name} {sum(n or 0 for n in series.numbers):,}" for series in self.series if not series.percent
        ]
        return f"{self.title}, chart. Totals: {', '.join(totals)}. The numbers are in the table below."

    @property
    def data(self) -> str:
        return json.dumps({"labels": self.labels, "datasets": [series.dataset for series in self.series]})

    @property
    def options(self) -> str:
        values = {"beginAtZero": True, "ticks": {"precision": 0, "maxTicksLimit": 6}}
        days = {"grid": {"display": False}, "ticks": {"maxTicksLimit": 7, "maxRotation": 0}}
        names = {"grid": {"display": False}}
        scales: dict[str, Any] = {"x": values, "y": names} if self.sideways else {"x": days, "y": values}
        if any(series.percent for series in self.series):
            ticks = {"maxTicksLimit": 6}
            scales["percent"] = {"min": 0, "max": 100, "position": "right", "grid": {"display": False}, "ticks": ticks}
        axis = "y" if self.sideways else "x"
        return json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "indexAxis": axis,
                "interaction": {"mode": "index", "axis": axis, "intersect": False},
                "plugins": {"legend": {"display": True, "align": "end", "labels": {"boxWidth": 10, "boxHeight": 10}}},
                "scales": scales,
            }
        )

    @property
    def rows(self) -> list[tuple[str, list[Number]]]:
        """The rows of the table; of days the newest first."""
        rows = [
            (label, list(numbers))
            for label, *numbers in zip(self.labels, *(series.numbers for series in self.series), strict=True)
        ]
        return rows if self.sideways else rows[::-1]
