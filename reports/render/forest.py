"""The forest plot: every drop of a task with both its intervals, a lane per checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

import altair as alt

from oodrop.reports.model import TaskReport
from oodrop.reports.render.canvas import INK, OVERHANG, Datum, axis_y, chart, framed, marks, texts
from oodrop.reports.render.keys import heading
from oodrop.reports.render.palette import CHECKPOINTS, GREY, colour, shape
from oodrop.reports.render.points import changed_words, count, level_words, percent
from oodrop.reports.render.rows import Row, checkpoint_names, rows
from oodrop.reports.render.text import shorten
from oodrop.reports.render.ticks import tick_words, ticks
from oodrop.reports.statistics import Drop, Interval

WIDTH = 600
# Pixels: a checkpoint's lane, the label above a row's lanes, the space below, a group's heading.
_LANE, _LABEL, _SPACE, _HEADING = 13.0, 18.0, 8.0, 26.0
_TICKS = 9
# A plot of this height does not show its axis and its first rows at once.
_TALL, _HEADING_WIDTH = 800.0, 110.0


@dataclass(frozen=True)
class _Place:
    """A row and where it begins."""

    row: Row
    top: float

    def lane(self, k: int) -> float:
        """Middle of the lane of checkpoint `k`."""
        return self.top + _LABEL + (k + 0.5) * _LANE

    @property
    def end(self) -> float:
        return self.lane(len(self.row.drops) - 1) + _LANE / 2.0 + _SPACE


def forest(task: TaskReport, label: str) -> alt.LayerChart | None:
    """Drops in points by family; None where the task has no drop at all."""
    found = rows(task)
    if not found:
        return None
    places, headings, height = _layout(found)
    low, high = _domain(task)
    x = alt.Scale(domain=[low, high], nice=False, zero=False)
    layers = [
        _bands(task, places, x, height, ticks(low, high, _TICKS)),
        _zero(places, x, height),
        _rules(_whiskers(places, headline=False), x, height, width=1.5),
        _rules(_whiskers(places, headline=True), x, height, width=4.0),
        marks(_dots(places), alt.X("x", type="quantitative", scale=x), height),
        *_row_labels(places, headings, height),
        *_lane_names(task, places, height),
        *_repeated(ticks(low, high, _TICKS), headings, x, height),
        *_heading(task, label, height),
    ]
    return framed(layers, WIDTH, height, overhang=OVERHANG * _named(task))


def _layout(found: tuple[Row, ...]) -> tuple[list[_Place], list[Datum], float]:
    """Places of the rows from the top, headings of their groups, height of the whole."""
    places: list[_Place] = []
    headings: list[Datum] = []
    y, group = 0.0, ""
    for row in found:
        title = "families" if row.kind == "family" else row.family
        if title != group:
            headings.append({"text": title.upper(), "y": y + _HEADING / 2.0})
            y, group = y + _HEADING, title
        places.append(_Place(row, y))
        y = places[-1].end
    return places, headings, y


def _domain(task: TaskReport) -> tuple[float, float]:
    values = [0.0]
    for floor in task.analysis.noise_floor:
        values += [floor.mean_change, -floor.mean_change] if floor else []
    for drop in task.analysis.drops:
        values += [drop.estimate] if drop.estimate is not None else []
        for interval in (drop.bootstrap, drop.score):
            values += [interval.low, interval.high] if interval else []
    low, high = 100.0 * min(values), 100.0 * max(values)
    pad = max(0.05 * (high - low), 1.0)
    return low - pad, high + pad


# --- marks --------------------------------------------------------------------------------------


def _bands(
    task: TaskReport,
    places: list[_Place],
    x: alt.Scale,
    height: float,
    values: tuple[float, ...],
) -> alt.Chart:
    """The noise floor in each checkpoint's lane: as far as a rerun alone could move accuracy."""
    data = [
        {
            "x": -100.0 * floor.mean_change,
            "x2": 100.0 * floor.mean_change,
            "y": place.lane(k) - _LANE / 2.0,
            "y2": place.lane(k) + _LANE / 2.0,
        }
        for place in places
        for k, floor in enumerate(task.analysis.noise_floor)
        if floor is not None
    ]
    drawn: alt.Chart = (
        chart(data)
        .mark_rect(color=GREY, opacity=0.2)
        .encode(
            x=alt.X("x", type="quantitative", scale=x, axis=_points_axis(values)),
            x2="x2:Q",
            y=axis_y("y", height),
            y2="y2:Q",
        )
    )
    return drawn


def _points_axis(values: tuple[float, ...]) -> alt.Axis:
    return alt.Axis(
        title="drop in points (right of 0: accuracy is lost)",
        labelColor=INK,
        titleColor=INK,
        titleFontWeight="normal",
        titleFontSize=12,
        labelFontSize=11,
        gridColor=GREY,
        gridOpacity=0.25,
        domainColor=GREY,
        tickColor=GREY,
        values=list(values),
    )


def _zero(places: list[_Place], x: alt.Scale, height: float) -> alt.Chart:
    """The line of no drop beside the lanes alone, so that it crosses no label."""
    data = [{"x": 0.0, "y": place.top + _LABEL, "y2": place.end - 2.0} for place in places]
    drawn: alt.Chart = (
        chart(data)
        .mark_rule(color=INK, opacity=0.7, strokeWidth=1.2)
        .encode(x=alt.X("x", type="quantitative", scale=x), y=axis_y("y", height), y2="y2:Q")
    )
    return drawn


def _whiskers(places: list[_Place], *, headline: bool) -> list[Datum]:
    """The headline interval through the mark, the other one just below it."""
    data = []
    for place in places:
        for k, drop in enumerate(place.row.drops):
            interval = _headline(drop) if headline else _other(drop)
            if interval is not None:
                y = place.lane(k) + (0.0 if headline else 5.0)
                low, high = 100.0 * interval.low, 100.0 * interval.high
                data.append({"x": low, "x2": high, "y": y, "colour": colour(k)})
    return data


def _headline(drop: Drop | None) -> Interval | None:
    return drop.headline if drop else None


def _other(drop: Drop | None) -> Interval | None:
    if drop is None or drop.headline is None:
        return None
    return drop.score if drop.headline is drop.bootstrap else drop.bootstrap


def _rules(data: list[Datum], x: alt.Scale, height: float, *, width: float) -> alt.Chart:
    drawn: alt.Chart = (
        chart(data)
        .mark_rule(strokeWidth=width, strokeCap="round")
        .encode(
            x=alt.X("x", type="quantitative", scale=x),
            x2="x2:Q",
            y=axis_y("y", height),
            color=alt.Color("colour", type="nominal", scale=None),
        )
    )
    return drawn


def _dots(places: list[_Place]) -> list[Datum]:
    return [
        {
            "x": 100.0 * drop.estimate,
            "y": place.lane(k),
            "colour": colour(k),
            "fill": colour(k) if drop.headline else "transparent",
            "shape": shape(k),
        }
        for place in places
        for k, drop in enumerate(place.row.drops)
        if drop is not None and drop.estimate is not None
    ]


# --- texts --------------------------------------------------------------------------------------


def _row_labels(places: list[_Place], headings: list[Datum], height: float) -> list[alt.Chart]:
    """Above each row's lanes its name on the left, what it rests on at the right."""
    names: dict[str, list[Datum]] = {"variant": [], "family": []}
    sizes = []
    for place in places:
        y = place.top + _LABEL / 2.0
        names[place.row.kind].append({"text": shorten(place.row.label, 48), "y": y})
        sizes.append({"text": _size_words(place.row.any_drop), "y": y})
    left = alt.value(4)
    return [
        texts(names["variant"], height, align="left", x=left),
        texts(names["family"], height, align="left", x=left, bold=True),
        texts(sizes, height, align="right", x=alt.value(WIDTH - 4), size=11, opacity=0.75),
        texts(headings, height, align="left", x=alt.value(0), size=11, bold=True, opacity=0.75),
    ]


def _named(task: TaskReport) -> bool:
    """With more checkpoints than colours the key alone is no help: each lane has its name."""
    return len(checkpoint_names(task)) > len(CHECKPOINTS)


def _lane_names(task: TaskReport, places: list[_Place], height: float) -> list[alt.Chart]:
    if not _named(task):
        return []
    names = checkpoint_names(task)
    data = [
        {"text": shorten(names[k], 26), "y": place.lane(k)}
        for place in places
        for k, drop in enumerate(place.row.drops)
        if drop is not None
    ]
    return [texts(data, height, align="left", x=alt.value(WIDTH + 8), size=9)]


def _repeated(
    values: tuple[float, ...], headings: list[Datum], x: alt.Scale, height: float
) -> list[alt.Chart]:
    """The numbers of the axis again at the heading of each group, where the axis is far below."""
    if height < _TALL:
        return []
    low, high = x["domain"]
    free = [v for v in values if WIDTH * (v - low) / (high - low) > _HEADING_WIDTH]
    words = tick_words(tuple(free), signed=True)
    data = [
        {"text": word, "x": value, "y": heading["y"]}
        for heading in headings
        for value, word in zip(free, words, strict=True)
    ]
    place = alt.X("x", type="quantitative", scale=x)
    return [texts(data, height, align="center", x=place, size=10, opacity=0.75)]


def _size_words(drop: Drop | None) -> str:
    if drop is None or not drop.n:
        return "no changed items"
    return f"{changed_words(drop)} items, {count(drop.clusters, 'cluster')}"


def _heading(task: TaskReport, label: str, height: float) -> list[alt.Chart]:
    names = checkpoint_names(task)
    floors = task.analysis.noise_floor
    level = level_words(task.analysis.level)
    about = (
        "canonical minus variant accuracy over the changed items",
        f"thick: headline {level}; thin: the other; band: noise floor; hollow: no interval",
    )
    words = [
        f"noise floor {percent(floor.mean_change)}" if floor else "noise floor not measured"
        for floor in (floors[k] if k < len(floors) else None for k in range(len(names)))
    ]
    return heading(f"Drop in points: {shorten(label, 70)}", about, names, height, after=words)
