"""What every checkpoint loses, family by family, in one table above the sentences of a verdict."""

from __future__ import annotations

from oodrop.reports.model import TaskReport
from oodrop.reports.render.points import NOTHING, excludes_zero, percent, points, span
from oodrop.reports.render.rows import Row, rows
from oodrop.reports.render.tables import Table
from oodrop.reports.statistics import Accuracy


def overview(task: TaskReport) -> Table:
    """A row per checkpoint, a column per family; no rows where no family has a drop.

    A checkpoint that is not above chance, or whose run was stopped early, has no figures here: its
    drops say nothing, or are decided by its gates.
    """
    families = tuple(row for row in rows(task) if row.kind == "family")
    stopped = {s.checkpoint for s in task.stopped}
    return Table(
        "At a glance",
        "Canonical accuracy, and drops in points by family of variants with their headline "
        "interval; * where it excludes 0.",
        ("Checkpoint", "Canonical accuracy", *(f"{row.name} drop" for row in families)),
        1 + len(families),
        tuple(
            (
                a.checkpoint + _apart(a, a.checkpoint in stopped),
                percent(a.estimate),
                *(_cell(row, k, a, a.checkpoint in stopped) for row in families),
            )
            for k, a in enumerate(task.analysis.accuracies)
        )
        if families
        else (),
    )


def _apart(accuracy: Accuracy, stopped: bool) -> str:
    if accuracy.uninformative:
        return " (not above chance)"
    return " (stopped early)" * stopped


def _cell(row: Row, k: int, accuracy: Accuracy, stopped: bool) -> str:
    drop = row.drops[k]
    if drop is None or accuracy.uninformative or stopped:
        return NOTHING
    return f"{points(drop.estimate)}{' *' * excludes_zero(drop)} {span(drop.headline)}"
