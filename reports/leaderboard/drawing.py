"""Small drawings that a template writes itself: hundreds of them cost nothing."""

from __future__ import annotations

from dataclasses import dataclass

from oodrop.reports.leaderboard.ranking import Ranking, Row
from oodrop.reports.render.ticks import tick_words, ticks
from oodrop.reports.statistics import Drop, Interval

SIDE = 320.0
BAR = 150.0


@dataclass(frozen=True)
class Bar:
    """An interval on a line of `BAR` pixels; `mark` is another value beside it, None for none."""

    low: float
    high: float
    at: float
    mark: float | None
    zero: float | None


@dataclass(frozen=True)
class Dot:
    """A checkpoint in the plane; `title` is what it says when pointed at."""

    x: float
    y: float
    entry: str
    role: str
    title: str


@dataclass(frozen=True)
class Plane:
    """Both accuracies of every checkpoint; both axes show the same range, in pixels."""

    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]


def accuracy_bar(row: Row) -> Bar:
    """Accuracy on the variants from 0 to 100%, and a mark at the canonical one."""
    point = row.point
    low, high = _ends(point.variant_interval, point.variant)
    return Bar(BAR * low, BAR * high, BAR * point.variant, BAR * point.canonical, None)


def drop_bar(drop: Drop, scale: float) -> Bar | None:
    """A drop from -`scale` to `scale`, and a mark at 0; None without a drop."""
    if drop.estimate is None:
        return None

    def place(value: float) -> float:
        return BAR * (0.5 + 0.5 * max(-1.0, min(1.0, value / scale)))

    low, high = _ends(drop.headline, drop.estimate)
    return Bar(place(low), place(high), place(drop.estimate), None, place(0.0))


def drop_scale(drops: tuple[Drop, ...]) -> float:
    """The largest bound of any, at least ten points."""
    ends = [abs(v) for d in drops if d.headline for v in (d.headline.low, d.headline.high)]
    return max([0.1, *ends, *(abs(d.estimate) for d in drops if d.estimate is not None)])


def plane(ranking: Ranking) -> Plane:
    """Canonical accuracy to the right, accuracy on the variants upwards."""
    both = [v for r in ranking.rows for v in (r.point.canonical, r.point.variant)]
    low, high = 100.0 * min(both), 100.0 * max(both)
    pad = max(0.06 * (high - low), (10.0 - (high - low)) / 2.0)
    low, high = low - pad, high + pad

    def place(percent: float) -> float:
        return SIDE * (percent - low) / (high - low)

    dots = tuple(
        Dot(
            x=place(100.0 * row.point.canonical),
            y=SIDE - place(100.0 * row.point.variant),
            entry=row.entry,
            role=row.point.role,
            title=f"{row.name}: canonical {100.0 * row.point.canonical:.1f}%, on variants "
            f"{100.0 * row.point.variant:.1f}%",
        )
        for row in ranking.rows
    )
    found = ticks(low, high)
    named = zip(found, tick_words(found), strict=True)
    return Plane(dots, tuple((place(value), words) for value, words in named))


def _ends(interval: Interval | None, estimate: float) -> tuple[float, float]:
    return (interval.low, interval.high) if interval else (estimate, estimate)
