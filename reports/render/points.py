"""Numbers in words: points with one decimal and a sign, intervals, accuracies, counts."""

from __future__ import annotations

from oodrop.reports.statistics import Accuracy, Drop, Interval, NoiseFloor, SplitDrop

NOTHING = "\u2013"
# Sums of differences in floating point leave this much where there is nothing.
_ROUNDING = 1e-12


def points(value: float | None) -> str:
    """A difference of accuracies as points: `+5.4`, `-0.3`; a dash where there is none.

    `0.0` is no difference at all, `+0.0` one that is too small to show.
    """
    if value is None:
        return NOTHING
    return "0.0" if abs(value) < _ROUNDING else f"{100.0 * value:+.1f}"


def span(interval: Interval | None) -> str:
    """`[+1.2, +4.5]` in points, or `no interval`."""
    if interval is None:
        return "no interval"
    return f"[{points(interval.low)}, {points(interval.high)}]"


def percent(value: float) -> str:
    """A share as `78.3%`."""
    return f"{100.0 * value:.1f}%"


def accuracy_span(accuracy: Accuracy) -> str:
    """`[72.1, 83.6]`, or `no interval`."""
    interval = accuracy.interval
    if interval is None:
        return "no interval"
    return f"[{100.0 * interval.low:.1f}, {100.0 * interval.high:.1f}]"


def level_words(level: float) -> str:
    """`95% interval`."""
    return f"{100.0 * level:.6g}% interval"


def whole(number: int) -> str:
    """`12,083`."""
    return f"{number:,}"


def changed_words(drop: Drop) -> str:
    """`241 of 1,480`: changed items of all items."""
    return f"{drop.n:,} of {drop.n_all:,}"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 cluster`, `24 clusters`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def floor_words(floor: NoiseFloor | None) -> str:
    """`2.1% of scores flip on a rerun (10 of 480)`, or that nobody measured it.

    Scores that are not binary move by less than a flip: by how much on average is told too.
    """
    if floor is None:
        return "not measured (no control.rerun)"
    if floor.mean_change != floor.flip_rate:
        return (
            f"{percent(floor.flip_rate)} of scores move on a rerun "
            f"({floor.flips:,} of {floor.n:,}), "
            f"by {100.0 * floor.mean_change:.1f} points on average over all"
        )
    return f"{percent(floor.flip_rate)} of scores flip on a rerun ({floor.flips:,} of {floor.n:,})"


def excludes_zero(drop: Drop | SplitDrop | None) -> bool:
    """Whether the headline interval exists and lies off 0."""
    return drop is not None and drop.headline is not None and drop.headline.excludes(0.0)
