"""Severity curves: a panel per perturber, the drop of every checkpoint at each severity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import altair as alt

from oodrop.reports.model import TaskReport
from oodrop.reports.render.canvas import Datum, framed, marks, pixels, rules, texts
from oodrop.reports.render.keys import heading
from oodrop.reports.render.palette import CHECKPOINTS, GREY, colour, shape
from oodrop.reports.render.points import count, level_words
from oodrop.reports.render.rows import checkpoint_names
from oodrop.reports.render.text import shorten
from oodrop.reports.render.ticks import tick_words, ticks
from oodrop.reports.statistics import SeverityCurve

# Two panels side by side; with more checkpoints than colours one, twice as wide and higher.
_COLUMNS, _MANY = 2, len(CHECKPOINTS)
# Pixels: a panel's plot, what lies left of it, above it (its name) and below it (severities).
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 232.0, 130.0, 44.0, 34.0, 34.0
_WIDE, _HIGH = 2.0 * _WIDTH + _LEFT, 240.0
# How far apart the marks of two checkpoints stand at one severity, and which part of the way to
# the next severity all of them may take.
_APART, _SPREAD = 8.0, 0.7


@dataclass(frozen=True)
class _Panel:
    """The curves of one perturber, one per checkpoint that has one, and where they are drawn."""

    perturber: str
    curves: tuple[tuple[int, SeverityCurve], ...]
    left: float
    top: float
    width: float
    height: float
    low: float
    high: float
    lanes: int

    def x(self, severity: int, lane: float) -> float:
        """Severities 1 to 5 at equal distances; each checkpoint a little beside the others."""
        step = self.width / 5.0
        shift = (lane - (self.lanes - 1) / 2.0) * min(_APART, _SPREAD * step / self.lanes)
        return self.left + step * (severity - 0.5) + shift

    def y(self, drop: float) -> float:
        """Pixels of a drop in points."""
        return self.top + self.height * (self.high - drop) / (self.high - self.low)

    @property
    def middle(self) -> float:
        """The lane without a shift."""
        return (self.lanes - 1) / 2.0


def severity_chart(task: TaskReport, label: str) -> alt.LayerChart | None:
    """Drops in points over severity; None where no perturber has two severities with items."""
    panels = _panels(task)
    if not panels:
        return None
    width = max(p.left + p.width for p in panels)
    height = max(p.top + p.height for p in panels) + _BOTTOM
    x = pixels(width)
    layers = [
        rules([r for p in panels for r in _grid(p)], x, height, width=1.0, opacity=0.3),
        rules([r for p in panels for r in _lines(p)], x, height, width=1.5, opacity=0.55),
        rules([r for p in panels for r in _whiskers(p)], x, height, width=2.0),
        marks([r for p in panels for r in _dots(p)], x, height),
        *_words(panels, x, height),
        *_heading(task, label, height),
    ]
    return framed(layers, width, height)


def drawn_curves(task: TaskReport) -> tuple[SeverityCurve, ...]:
    """The curves that have any items to stand on."""
    return tuple(c for c in task.questions.severity if c.n)


def _panels(task: TaskReport) -> tuple[_Panel, ...]:
    curves = drawn_curves(task)
    if not curves:
        return ()
    names = checkpoint_names(task)
    low, high = _domain(curves)
    perturbers = tuple(dict.fromkeys(c.perturber for c in curves))
    many = len(names) > _MANY
    columns = 1 if many else _COLUMNS
    wide, tall = (_WIDE, _HIGH) if many else (_WIDTH, _HEIGHT)
    return tuple(
        _Panel(
            perturber=perturber,
            curves=tuple(
                (names.index(c.checkpoint), c) for c in curves if c.perturber == perturber
            ),
            left=(k % columns) * (_LEFT + wide) + _LEFT,
            top=(k // columns) * (_TOP + tall + _BOTTOM) + _TOP,
            width=wide,
            height=tall,
            low=low,
            high=high,
            lanes=len(names),
        )
        for k, perturber in enumerate(perturbers)
    )


def _domain(curves: tuple[SeverityCurve, ...]) -> tuple[float, float]:
    """One range of points for all panels, so that they compare."""
    values = [0.0]
    for curve in curves:
        for point in curve.points:
            values += [] if point.estimate is None else [point.estimate]
            values += [point.interval.low, point.interval.high] if point.interval else []
    low, high = 100.0 * min(values), 100.0 * max(values)
    pad = max(0.05 * (high - low), 1.0)
    return low - pad, high + pad


# --- marks --------------------------------------------------------------------------------------


def _grid(panel: _Panel) -> Iterator[Datum]:
    for value in ticks(panel.low, panel.high):
        y = panel.y(value)
        yield _rule(panel.left, y, panel.left + panel.width, y, GREY if value else "currentColor")


def _lines(panel: _Panel) -> Iterator[Datum]:
    for k, curve in panel.curves:
        found = [p for p in curve.points if p.estimate is not None]
        for a, b in pairwise(found):
            ends = [(panel.x(p.severity, k), panel.y(100.0 * (p.estimate or 0.0))) for p in (a, b)]
            yield _rule(*ends[0], *ends[1], colour(k))


def _whiskers(panel: _Panel) -> Iterator[Datum]:
    for k, curve in panel.curves:
        for point in curve.points:
            if point.interval is not None:
                x = panel.x(point.severity, k)
                low, high = (100.0 * v for v in (point.interval.low, point.interval.high))
                yield _rule(x, panel.y(low), x, panel.y(high), colour(k))


def _dots(panel: _Panel) -> Iterator[Datum]:
    for k, curve in panel.curves:
        for point in curve.points:
            if point.estimate is not None:
                yield {
                    "x": panel.x(point.severity, k),
                    "y": panel.y(100.0 * point.estimate),
                    "colour": colour(k),
                    "fill": colour(k) if point.interval else "transparent",
                    "shape": shape(k),
                }


def _rule(x: float, y: float, x2: float, y2: float, ink: str) -> Datum:
    return {"x": x, "y": y, "x2": x2, "y2": y2, "colour": ink}


# --- texts --------------------------------------------------------------------------------------


def _words(panels: tuple[_Panel, ...], x: alt.X, height: float) -> Iterator[alt.Chart]:
    names, sizes, severities, drops, below = [], [], [], [], []
    for p in panels:
        curve = p.curves[0][1]
        names.append({"text": shorten(p.perturber, 36), "x": p.left, "y": p.top - 22.0})
        sizes.append({"text": count(curve.n, "item"), "x": p.left, "y": p.top - 8.0})
        below.append(
            {"text": "severity", "x": p.left + p.width / 2.0, "y": p.top + p.height + 27.0}
        )
        for severity in sorted({point.severity for _, c in p.curves for point in c.points}):
            place = {"x": p.x(severity, p.middle), "y": p.top + p.height + 12.0}
            severities.append({"text": str(severity), **place})
        found = ticks(p.low, p.high)
        for value, words in zip(found, tick_words(found, signed=True), strict=True):
            drops.append({"text": words, "x": p.left - 6.0, "y": p.y(value)})
    yield texts(names, height, align="left", x=x, bold=True)
    yield texts(sizes, height, align="left", x=x, size=11, opacity=0.75)
    yield texts(severities, height, align="center", x=x, size=11)
    yield texts(below, height, align="center", x=x, size=11, opacity=0.75)
    yield texts(drops, height, align="right", x=x, size=11)


def _heading(task: TaskReport, label: str, height: float) -> list[alt.Chart]:
    about = (
        "drop in points over the items that every severity of the perturber changed",
        f"each point with its {level_words(task.analysis.level)}; hollow: no interval",
    )
    title = f"Drop by severity: {shorten(label, 50)}"
    return heading(title, about, checkpoint_names(task), height)
