"""What the theme's charts are drawn from, and the table that says the same to whoever does not see them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BLUE, RED, GREEN = "#3b82f6", "#ef4444", "#16a34a"  # each stands out by 3:1 at least from white and from the dark theme

Number = int | float | None


@dataclass(frozen=True)
class Series:
    name: str
    numbers: Sequence[Number]
    colour: str = BLUE
    percent: bool = False  # with a scale of its own, on the right

    def dataset(self, kind: str) -> dict[str, Any]:
        line = {"type": "line", "yAxisID": "percent", "order": -1} if self.percent else {}  # before the bars
        style = {"borderColor": self.colour, "backgroundColor": self.colour, "borderWidth": 2, "pointRadius": 0}
        if kind == "bar" and not self.percent:
            style = {"backgroundColor": self.colour, "borderRadius": 2}
        return {"label": self.name, "data": self.numbers, "pointHitRadius": 8, **line, **style}


@dataclass(frozen=True)
class Chart:
    title: str
    link: str
    labels: Sequence[str]
    series: Sequence[Series]
    first: str = "Day"  # what the labels are
    kind: str = "line"
    sideways: bool = False

    @property
    def has_data(self) -> bool:
        return any(number for series in self.series for number in series.numbers)

    @property
    def name(self) -> str:
        """What is said instead of the picture."""
        totals = [
            f"{series.name} {sum(n or 0 for n in series.numbers):,}" for series in self.series if not series.percent
        ]
        return f"{self.title}, chart. In all: {', '.join(totals)}. The numbers are in the table below it."

    @property
    def data(self) -> str:
        return json.dumps({"labels": self.labels, "datasets": [series.dataset(self.kind) for series in self.series]})

    @property
    def options(self) -> str:
        whole = {"beginAtZero": True, "ticks": {"precision": 0, "maxTicksLimit": 6}}
        days = {"grid": {"display": False}, "ticks": {"maxTicksLimit": 7, "maxRotation": 0}}
        names = {"grid": {"display": False}}
        percent = {"min": 0, "max": 100, "position": "right", "grid": {"display": False}, "ticks": {"maxTicksLimit": 6}}
        return json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "indexAxis": "y" if self.sideways else "x",
                "interaction": {"mode": "index", "axis": "y" if self.sideways else "x", "intersect": False},
                "plugins": {"legend": {"display": True, "align": "end", "labels": {"boxWidth": 10, "boxHeight": 10}}},
                "scales": {"x": whole, "y": names}
                if self.sideways
                else {"x": days, "y": whole}
                | ({"percent": percent} if any(series.percent for series in self.series) else {}),
            }
        )

    @property
    def rows(self) -> list[tuple[str, list[Number]]]:
        """What the chart draws, in numbers; of days the newest first."""
        rows = [
            (label, list(numbers))
            for label, *numbers in zip(self.labels, *(series.numbers for series in self.series), strict=True)
        ]
        return rows if self.sideways else rows[::-1]
