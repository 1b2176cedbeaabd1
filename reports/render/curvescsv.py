"""The accuracy plane and the severity curves as CSV, a row for each point that is drawn."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator

from oodrop.reports.model import Report, TaskReport
from oodrop.reports.render.csvfile import bounds, guarded, hundredths
from oodrop.reports.render.labels import task_labels
from oodrop.reports.statistics import SeverityCurve

PLANE_COLUMNS = (
    "task",
    "checkpoint",
    "role",
    "items",
    "canonical_accuracy_percent",
    "canonical_low",
    "canonical_high",
    "variant_accuracy_percent",
    "variant_low",
    "variant_high",
    "effective_robustness_points",
    "effective_robustness_low",
    "effective_robustness_high",
)
SEVERITY_COLUMNS = (
    "task",
    "checkpoint",
    "perturber",
    "family",
    "severity",
    "variants",
    "items",
    "drop_points",
    "low",
    "high",
    "slope_points",
    "slope_low",
    "slope_high",
)
_Row = list[str | int]


def accuracies_csv(report: Report) -> str:
    """Header and one row per checkpoint: both accuracies, over the items of the accuracy plane."""
    return _csv(PLANE_COLUMNS, report, _plane_rows)


def severity_csv(report: Report) -> str:
    """Header and one row per checkpoint, perturber and severity, with the slope of its curve."""
    return _csv(SEVERITY_COLUMNS, report, _severity_rows)


def _csv(
    header: Iterable[str], report: Report, rows: Callable[[TaskReport, str], Iterator[_Row]]
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for task, label in zip(report.tasks, task_labels(report), strict=True):
        writer.writerows(rows(task, guarded(label)))
    return text.getvalue()


def _plane_rows(task: TaskReport, label: str) -> Iterator[_Row]:
    plane = task.questions.plane
    if plane is None:
        return
    above = {found.target: found for found in plane.robustness}
    for p in plane.points:
        found = above.get(p.checkpoint)
        yield [
            *(label, guarded(p.checkpoint), p.role, plane.n),
            *(hundredths(p.canonical), *bounds(p.canonical_interval)),
            *(hundredths(p.variant), *bounds(p.variant_interval)),
            hundredths(found.estimate if found else None),
            *bounds(found.interval if found else None),
        ]


def _severity_rows(task: TaskReport, label: str) -> Iterator[_Row]:
    for curve in task.questions.severity:
        yield from _curve_rows(curve, label)


def _curve_rows(curve: SeverityCurve, label: str) -> Iterator[_Row]:
    slope = (hundredths(curve.slope), *bounds(curve.slope_interval))
    for point in curve.points:
        yield [
            *(label, guarded(curve.checkpoint), guarded(curve.perturber), guarded(curve.family)),
            *(point.severity, guarded(" ".join(point.slugs)), curve.n),
            *(hundredths(point.estimate), *bounds(point.interval)),
            *slope,
        ]
