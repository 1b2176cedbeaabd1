"""Accuracy on the variants against canonical accuracy, as a table of words."""

from __future__ import annotations

from oodrop.reports.model import TaskReport
from oodrop.reports.render.points import NOTHING, percent, points, span
from oodrop.reports.render.tables import Table
from oodrop.reports.statistics import Interval

HEADER = (
    "Checkpoint",
    "Part in the line",
    "Canonical",
    "Interval",
    "On variants",
    "Interval",
    "Above the line",
    "Interval",
)


def robustness_table(task: TaskReport) -> Table:
    """A row per checkpoint; no rows where no natural variant changed an item."""
    plane = task.questions.plane
    if plane is None:
        return Table("", "", HEADER, 6, ())
    above = {found.target: found for found in plane.robustness}
    rows = []
    for p in plane.points:
        found = above.get(p.checkpoint)
        rows.append(
            (
                p.checkpoint,
                p.role,
                percent(p.canonical),
                shares(p.canonical_interval),
                percent(p.variant),
                shares(p.variant_interval),
                points(found.estimate) if found else NOTHING,
                span(found.interval) if found else NOTHING,
            )
        )
    return Table(
        "Accuracy on variants against canonical accuracy",
        f"In percent, over the {plane.n:,} of {plane.n_all:,} items that a natural variant "
        "changed; an item counts by its mean over the variants that changed it. Above the line is "
        "effective robustness, in points: accuracy on variants beyond what the line of at least "
        f"eight other checkpoints foretells. Here: {plane.reason}.",
        HEADER,
        6,
        tuple(rows),
    )


def shares(interval: Interval | None) -> str:
    """`[72.1, 83.6]`, or `no interval`."""
    if interval is None:
        return "no interval"
    return f"[{100.0 * interval.low:.1f}, {100.0 * interval.high:.1f}]"
