"""robustness.csv: every task x variant by itself, nothing pooled."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator

from oodrop.reports.model import Report, TaskReport
from oodrop.reports.render.csvfile import guarded
from oodrop.reports.render.labels import task_labels
from oodrop.reports.statistics import Drop, Interval, VariantInfo

COLUMNS = (
    "task",
    "variant",
    "perturber",
    "family",
    "evidence",
    "severity",
    "items",
    "changed_items",
    "canonical_accuracy_percent",
    "variant_accuracy_percent",
    "drop_points",
    "interval",
    "interval_low",
    "interval_high",
    "bootstrap_low",
    "bootstrap_high",
    "score_low",
    "score_high",
    "lost",
    "gained",
)


def robustness_csv(report: Report, tasks: Collection[str]) -> str:
    """Header and one row per task and variant of the one checkpoint, in the order of the report.

    Accuracies are over the changed items; drops and bounds are in points. A variant without a drop
    (it changes the gold answer) has a row with its names alone.

    Args:
        report: of the checkpoint.
        tasks: those that were run; groups of tasks that are pooled have no row.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for task, label in zip(report.tasks, task_labels(report), strict=True):
        drops = variant_drops(task)
        for info in task.variants if task.task in tasks else ():
            writer.writerow([*_names(info, label, task.items), *_figures(drops.get(info.slug))])
    return text.getvalue()


def variant_drops(task: TaskReport) -> dict[str, Drop]:
    """Slug -> drop, of the one checkpoint."""
    return {drop.name: drop for drop in task.analysis.drops if drop.kind == "variant"}


def _names(info: VariantInfo, label: str, items: int) -> Iterator[str | int]:
    yield from map(guarded, (label, info.slug, info.perturber, info.family, info.evidence))
    yield from ("" if info.severity is None else info.severity, items)


def _figures(drop: Drop | None) -> Iterator[str | int]:
    if drop is None:
        yield from ("",) * (len(COLUMNS) - 7)
        return
    yield drop.n
    yield from map(_points, (drop.canonical_accuracy, drop.variant_accuracy, drop.estimate))
    yield drop.headline.method if drop.headline else "none"
    for interval in (drop.headline, drop.bootstrap, drop.score):
        yield from _bounds(interval)
    yield from (drop.lost, drop.gained)


def _bounds(interval: Interval | None) -> Iterator[str]:
    yield from ("", "") if interval is None else map(_points, (interval.low, interval.high))


def _points(value: float | None) -> str:
    """Four decimals, of which no machine rounds the last one otherwise; never ``-0.0000``."""
    return "" if value is None else f"{round(100.0 * value, 4) + 0.0:.4f}"
