"""The heat map: the drop of every checkpoint under every variant, with the number in its cell."""

from __future__ import annotations

import altair as alt

from oodrop.reports.model import TaskReport
from oodrop.reports.render.canvas import INK, OVERHANG, Datum, axis_y, chart, framed, texts
from oodrop.reports.render.palette import GREY, heat, ink
from oodrop.reports.render.points import excludes_zero, points
from oodrop.reports.render.rows import Row, checkpoint_names, rows
from oodrop.reports.render.text import shorten
from oodrop.reports.statistics import Drop

_ROW, _LEFT, _GAP = 26.0, 250, 1.0
# Pixels of a cell's width: as many cells as there are checkpoints fit a desktop, if each can hold
# its number.
_CELL, _NARROW, _FITTING = 84.0, 58.0, 740.0
# A scale that ends below this many points would make noise look like a finding.
_LEAST = 5.0


def heatmap(task: TaskReport, label: str) -> alt.LayerChart | None:
    """Variants x checkpoints, drops in points; None where the task has no variant with a drop."""
    found = tuple(row for row in rows(task) if row.kind == "variant")
    if not found:
        return None
    names = checkpoint_names(task)
    cell = min(_CELL, max(_NARROW, _FITTING / len(names)))
    width, height = cell * len(names), _ROW * len(found)
    largest = _largest(found)
    cells = _cells(found, largest, cell)
    x = alt.Scale(domain=[0.0, width], nice=False, zero=False)
    labels = [{"text": shorten(row.label, 38), "y": _middle(k)} for k, row in enumerate(found)]
    layers = [
        _fills(cells, x, height),
        _numbers(cells, x, height),
        texts(labels, height, align="right", x=alt.value(-8)),
        *_columns(names, x, height, cell),
        *_heading(label, largest, height),
    ]
    return framed(layers, width, height, overhang=OVERHANG)


def _largest(found: tuple[Row, ...]) -> float:
    drops = [100.0 * abs(d.estimate or 0.0) for row in found for d in row.drops if d is not None]
    return max([_LEAST, *drops])


def _middle(k: int) -> float:
    return _ROW * (k + 0.5)


def _cells(found: tuple[Row, ...], largest: float, width: float) -> list[Datum]:
    return [
        _cell(drop, r, c, largest, width)
        for r, row in enumerate(found)
        for c, drop in enumerate(row.drops)
    ]


def _cell(drop: Drop | None, r: int, c: int, largest: float, width: float) -> Datum:
    estimate = drop.estimate if drop else None
    fill = "transparent" if estimate is None else heat(100.0 * estimate, largest)
    return {
        "x": width * c + _GAP,
        "x2": width * (c + 1) - _GAP,
        "middle": width * (c + 0.5),
        "y": _ROW * r + _GAP,
        "y2": _ROW * (r + 1) - _GAP,
        "centre": _middle(r),
        "fill": fill,
        "ink": INK if estimate is None else ink(fill),
        "text": points(estimate) + (" *" if excludes_zero(drop) else ""),
    }


def _fills(cells: list[Datum], x: alt.Scale, height: float) -> alt.Chart:
    drawn: alt.Chart = (
        chart(cells)
        .mark_rect(stroke=GREY, strokeWidth=0.5)
        .encode(
            x=alt.X("x", type="quantitative", axis=None, scale=x),
            x2="x2:Q",
            y=axis_y("y", height),
            y2="y2:Q",
            fill=alt.Fill("fill", type="nominal", scale=None),
        )
    )
    return drawn


def _numbers(cells: list[Datum], x: alt.Scale, height: float) -> alt.Chart:
    drawn: alt.Chart = (
        chart(cells)
        .mark_text(align="center", baseline="middle", fontSize=12)
        .encode(
            x=alt.X("middle", type="quantitative", axis=None, scale=x),
            y=axis_y("centre", height),
            text=alt.Text("text", type="nominal"),
            color=alt.Color("ink", type="nominal", scale=None),
        )
    )
    return drawn


def _columns(names: tuple[str, ...], x: alt.Scale, height: float, width: float) -> list[alt.Chart]:
    """Names of the checkpoints, slanted so that long ones fit."""
    data = [
        {"text": shorten(name, 30), "x": width * (k + 0.5) - 12.0, "y": -10.0}
        for k, name in enumerate(names)
    ]
    place = alt.X("x", type="quantitative", axis=None, scale=x)
    return [texts(data, height, align="left", x=place, angle=330.0)]


def _heading(label: str, largest: float, height: float) -> list[alt.Chart]:
    above = -118.0
    lines = (
        f"orange: drop, purple: gain, deepest at {largest:.1f} points",
        "* the headline interval excludes 0",
    )
    about = [{"text": line, "y": above + 22.0 + 15.0 * k} for k, line in enumerate(lines)]
    title = [{"text": f"Drop by variant: {shorten(label, 60)}", "y": above}]
    left = alt.value(-_LEFT)
    return [
        texts(title, height, align="left", x=left, size=15, bold=True),
        texts(about, height, align="left", x=left, size=11, opacity=0.75),
    ]
