"""A task's two drawings, as SVG: forest plot and heat map."""

from __future__ import annotations

from dataclasses import dataclass

from oodrop.reports.model import Report, TaskReport
from oodrop.reports.render.canvas import standalone, svg
from oodrop.reports.render.forest import forest
from oodrop.reports.render.heatmap import heatmap
from oodrop.reports.render.labels import task_labels
from oodrop.reports.render.points import count
from oodrop.reports.render.rows import checkpoint_names

__all__ = ["TaskCharts", "draw", "forest", "heatmap", "standalone"]


@dataclass(frozen=True)
class TaskCharts:
    """SVGs to place inside a page, coloured by it; None where there is nothing to draw."""

    forest: str | None
    heatmap: str | None


def draw(report: Report) -> tuple[TaskCharts, ...]:
    """The drawings of every task, in order; the same report gives the same bytes."""
    return tuple(
        _draw(task, label) for task, label in zip(report.tasks, task_labels(report), strict=True)
    )


def _draw(task: TaskReport, label: str) -> TaskCharts:
    plot, cells = forest(task, label), heatmap(task, label)
    where = f"{label}, {count(len(checkpoint_names(task)), 'checkpoint')}"
    return TaskCharts(
        forest=svg(
            plot,
            f"Forest plot of drops in points with both intervals, {where}. "
            "The table of drops holds the same numbers.",
        )
        if plot
        else None,
        heatmap=svg(
            cells,
            f"Heat map of drops in points by variant and checkpoint, {where}. "
            "The table of drops holds the same numbers.",
        )
        if cells
        else None,
    )
