"""Accuracy on the variants against canonical accuracy: a point per checkpoint, and their line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import altair as alt
import numpy as np

from oodrop.reports.model import TaskReport
from oodrop.reports.render.canvas import INK, Datum, framed, marks, pixels, rules, texts
from oodrop.reports.render.keys import heading
from oodrop.reports.render.palette import GREY, colour, shape
from oodrop.reports.render.points import count, level_words
from oodrop.reports.render.text import shorten
from oodrop.reports.render.ticks import tick_words, ticks
from oodrop.reports.statistics import AccuracyPlane
from oodrop.reports.statistics.answers.line import from_scale, to_scale

_SIZE = 380.0
_LEFT, _BELOW = 54.0, 48.0
# A range narrower than this many points would make noise look like a finding.
_LEAST = 10.0
_STEPS = 41


@dataclass(frozen=True)
class _Square:
    """Both axes show the same range, in percent, so that the diagonal is where nothing is lost."""

    low: float
    high: float

    def x(self, percent: float) -> float:
        """Pixels from the left."""
        return _LEFT + _SIZE * (percent - self.low) / (self.high - self.low)

    def y(self, percent: float) -> float:
        """Pixels from the top."""
        return _SIZE * (self.high - percent) / (self.high - self.low)

    def rule(self, a: tuple[float, float], b: tuple[float, float], ink: str) -> Datum:
        """From one pair of percentages (canonical, variant) to another."""
        (x, y), (x2, y2) = ((self.x(c), self.y(v)) for c, v in (a, b))
        return {"x": x, "y": y, "x2": x2, "y2": y2, "colour": ink}


def plane_chart(task: TaskReport, label: str) -> alt.LayerChart | None:
    """Both accuracies of every checkpoint; None where no natural variant changed an item."""
    plane = task.questions.plane
    if plane is None:
        return None
    square = _square(plane)
    width, height = _LEFT + _SIZE, _SIZE + _BELOW
    x = pixels(width)
    ends = (square.low, square.low), (square.high, square.high)
    layers = [
        rules(list(_grid(square)), x, height, width=1.0, opacity=0.25),
        rules([square.rule(*ends, INK)], x, height, width=1.2, opacity=0.7, dash=(5.0, 5.0)),
        rules(list(_line(plane, square)), x, height, width=1.6),
        rules(list(_whiskers(plane, square)), x, height, width=2.0),
        marks(list(_dots(plane, square)), x, height),
        *_words(square, x, height),
        *_heading(task, plane, label, height),
    ]
    return framed(layers, width, height)


def _square(plane: AccuracyPlane) -> _Square:
    values = []
    for p in plane.points:
        values += [p.canonical, p.variant]
        for interval in (p.canonical_interval, p.variant_interval):
            values += [interval.low, interval.high] if interval else []
    low, high = 100.0 * min(values), 100.0 * max(values)
    pad = max(0.04 * (high - low), (_LEAST - (high - low)) / 2.0, 0.5)
    return _Square(low - pad, high + pad)


# --- marks --------------------------------------------------------------------------------------


def _grid(square: _Square) -> Iterator[Datum]:
    for value in ticks(square.low, square.high):
        yield square.rule((value, square.low), (value, square.high), GREY)
        yield square.rule((square.low, value), (square.high, value), GREY)


def _line(plane: AccuracyPlane, square: _Square) -> Iterator[Datum]:
    """As far as its own checkpoints reach: straight on the scale, a curve in percent."""
    if plane.line is None:
        return
    own = [p.canonical for p in plane.points if p.role == "on the line"]
    found = np.linspace(min(own), max(own), _STEPS)
    on_scale = to_scale((plane.n * found + 0.5) / (plane.n + 1.0), plane.scale)
    expected = from_scale(plane.line.intercept + plane.line.slope * on_scale, plane.scale)
    for a, b in pairwise(zip(100.0 * found, 100.0 * expected, strict=True)):
        yield square.rule((float(a[0]), float(a[1])), (float(b[0]), float(b[1])), INK)


def _whiskers(plane: AccuracyPlane, square: _Square) -> Iterator[Datum]:
    for k, p in enumerate(plane.points):
        x, y = 100.0 * p.canonical, 100.0 * p.variant
        if (across := p.canonical_interval) is not None:
            yield square.rule((100.0 * across.low, y), (100.0 * across.high, y), colour(k))
        if (up := p.variant_interval) is not None:
            yield square.rule((x, 100.0 * up.low), (x, 100.0 * up.high), colour(k))


def _dots(plane: AccuracyPlane, square: _Square) -> Iterator[Datum]:
    for k, p in enumerate(plane.points):
        yield {
            "x": square.x(100.0 * p.canonical),
            "y": square.y(100.0 * p.variant),
            "colour": colour(k),
            "fill": colour(k) if p.role == "on the line" else "transparent",
            "shape": shape(k),
        }


# --- texts --------------------------------------------------------------------------------------


def _words(square: _Square, x: alt.X, height: float) -> Iterator[alt.Chart]:
    found = ticks(square.low, square.high)
    named = list(zip(found, tick_words(found), strict=True))
    below = [{"text": w, "x": square.x(v), "y": _SIZE + 14.0} for v, w in named]
    beside = [{"text": w, "x": _LEFT - 8.0, "y": square.y(v)} for v, w in named]
    across = [{"text": "canonical accuracy, %", "x": _LEFT + _SIZE / 2.0, "y": _SIZE + 36.0}]
    up = [{"text": "accuracy on variants, %", "x": 12.0, "y": _SIZE / 2.0}]
    yield texts(below, height, align="center", x=x, size=11)
    yield texts(beside, height, align="right", x=x, size=11)
    yield texts(across, height, align="center", x=x)
    yield texts(up, height, align="center", x=x, angle=270.0)


def _heading(task: TaskReport, plane: AccuracyPlane, label: str, height: float) -> list[alt.Chart]:
    level = level_words(task.analysis.level)
    about = (
        f"both accuracies over the {count(plane.n, 'item')} that a natural variant changed,",
        f"each with its {level}; dashed: nothing lost; hollow: not on the line",
        plane.reason,
    )
    title = f"Variants against canonical: {shorten(label, 40)}"
    names = [p.checkpoint for p in plane.points]
    after = ["" if p.role == "on the line" else p.role for p in plane.points]
    return heading(title, about, names, height, after=after, space=8.0)
