"""A task's drawings, as SVG: forest plot, heat map, accuracy plane, severity curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import altair as alt

from oodrop.reports.model import Report, TaskReport
from oodrop.reports.render.canvas import png, standalone, svg
from oodrop.reports.render.forest import forest
from oodrop.reports.render.heatmap import heatmap
from oodrop.reports.render.labels import task_labels
from oodrop.reports.render.plane import plane_chart
from oodrop.reports.render.points import count
from oodrop.reports.render.rows import checkpoint_names
from oodrop.reports.render.severity import severity_chart

__all__ = [
    "TaskCharts",
    "draw",
    "forest",
    "heatmap",
    "plane_chart",
    "png",
    "severity_chart",
    "standalone",
]


@dataclass(frozen=True)
class TaskCharts:
    """SVGs to place inside a page, coloured by it; None where there is nothing to draw."""

    forest: str | None
    heatmap: str | None
    plane: str | None = None
    severity: str | None = None

    def drawn(self) -> Iterator[tuple[str, str]]:
        """Name and SVG of those that there are."""
        for name in (f.name for f in fields(self)):
            if (found := getattr(self, name)) is not None:
                yield name, found


def draw(report: Report) -> tuple[TaskCharts, ...]:
    """The drawings of every task, in order; the same report gives the same bytes."""
    return tuple(
        _draw(task, label) for task, label in zip(report.tasks, task_labels(report), strict=True)
    )


def _draw(task: TaskReport, label: str) -> TaskCharts:
    where = f"{label}, {count(len(checkpoint_names(task)), 'checkpoint')}"
    return TaskCharts(
        forest=_svg(
            forest(task, label),
            f"Forest plot of drops in points with both intervals, {where}. "
            "The table of drops holds the same numbers.",
        ),
        heatmap=_svg(
            heatmap(task, label),
            f"Heat map of drops in points by variant and checkpoint, {where}. "
            "The table of drops holds the same numbers.",
        ),
        plane=_svg(
            plane_chart(task, label),
            f"Accuracy on variants against canonical accuracy, a point per checkpoint, {where}. "
            "The table of both accuracies holds the same numbers.",
        ),
        severity=_svg(
            severity_chart(task, label),
            f"Severity curves: drops in points at each severity of a perturber, {where}. "
            "The table of severities holds the same numbers.",
        ),
    )


def _svg(drawn: alt.LayerChart | None, description: str) -> str | None:
    return None if drawn is None else svg(drawn, description)
