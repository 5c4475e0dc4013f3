"""Incidents per day as a drawing, made here so that it needs no script. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 720, 160
LEFT, TOP, BOTTOM = 8, 22, 24
GAP = 0.28
"""Of a day's width, left empty between bars."""
LOW = 3
"""Height of a day on which something happened, at least."""


@dataclass(frozen=True)
class Bar:
    """One day: where its bar stands in the drawing (user units) and what it says."""

    day: date
    count: int
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


def bars(days: list[tuple[date, int]]) -> list[Bar]:
    """One bar a day, the highest as high as there is room; days without incidents get a thin line."""
    most = max((count for _, count in days), default=0) or 1
    step = (WIDTH - 2 * LEFT) / max(1, len(days))
    ground = HEIGHT - BOTTOM
    drawn = []
    for number, (day, count) in enumerate(days):
        height = max(LOW, (ground - TOP) * count / most) if count else 1
        x = LEFT + number * step + step * GAP / 2
        drawn.append(
            Bar(day, count, round(x, 1), round(ground - height, 1), round(step * (1 - GAP), 1), round(height, 1))
        )
    return drawn
