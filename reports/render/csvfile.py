"""Drops, split drops and engagement as CSV: one row each, for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from oodrop.reports.model import Engagement, Replies, Report, TaskReport
from oodrop.reports.render.labels import task_labels
from oodrop.reports.render.rows import rows
from oodrop.reports.render.text import one_line
from oodrop.reports.statistics import Drop, Interval, SplitDrop

COLUMNS = (
    "task",
    "items",
    "checkpoint",
    "kind",
    "name",
    "family",
    "evidence",
    "drop_points",
    "drop_over_all_items_points",
    "canonical_accuracy_percent",
    "variant_accuracy_percent",
    "changed_items",
    "lost",
    "gained",
    "clusters",
    "effective_clusters",
    "headline",
    "headline_low",
    "headline_high",
    "bootstrap_low",
    "bootstrap_high",
    "score_method",
    "score_low",
    "score_high",
    "detectable_points",
    "headline_reason",
    "flags",
)
SPLIT_COLUMNS = (
    "task",
    "heldout",
    "checkpoint",
    "split_drop_points",
    "task_accuracy_percent",
    "heldout_accuracy_percent",
    "task_items",
    "heldout_items",
    "task_clusters",
    "heldout_clusters",
    "headline",
    "headline_low",
    "headline_high",
    "score_low",
    "score_high",
    "welch_low",
    "welch_high",
    "headline_reason",
    "flags",
)
_REPLIES = (
    "right_percent",
    "wrong_percent",
    "unparsed_percent",
    "truncated_percent",
    "at_once_percent",
    "mean_tokens",
    "median_tokens",
)
ENGAGEMENT_COLUMNS = (
    "task",
    "checkpoint",
    "variant",
    "items",
    *(f"{side}_{name}" for name in _REPLIES for side in ("canonical", "variant")),
    "lost",
    "lost_unparsed",
)
# A cell that begins so is a formula to a spreadsheet, also after spaces and in full width.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20|%]")


def drops_csv(report: Report) -> str:
    """Header and one row per drop; differences and bounds in points, accuracies in percent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for task, label in zip(report.tasks, task_labels(report), strict=True):
        writer.writerows(_rows(task, label))
    return text.getvalue()


def split_drops_csv(report: Report) -> str:
    """Header and one row per split drop; drops and bounds in points, accuracies in percent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SPLIT_COLUMNS)
    writer.writerows(list(_split_row(drop)) for drop in report.split_drops)
    return text.getvalue()


def engagement_csv(report: Report) -> str:
    """Header and one row per checkpoint and variant that logs how its replies were."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ENGAGEMENT_COLUMNS)
    for task, label in zip(report.tasks, task_labels(report), strict=True):
        writer.writerows(list(_engagement_row(found, label)) for found in task.engagement)
    return text.getvalue()


def guarded(text: str) -> str:
    """`text` in one line, with a leading apostrophe where a spreadsheet would calculate it."""
    line = one_line(text)
    return f"'{line}" if _FORMULA.match(text) else line


def _rows(task: TaskReport, label: str) -> Iterator[list[str | int]]:
    for row in rows(task):
        for drop in row.drops:
            if drop is not None:
                yield [*_names(drop, row.evidence, label, task.items), *_figures(drop)]


def _names(drop: Drop, evidence: str, label: str, items: int) -> Iterator[str | int]:
    yield from (guarded(label), items, guarded(drop.checkpoint), drop.kind)
    yield from (guarded(drop.name), guarded(drop.family), evidence)


def _figures(drop: Drop) -> Iterator[str | int]:
    yield from map(hundredths, (drop.estimate, drop.all_items))
    yield from map(hundredths, (drop.canonical_accuracy, drop.variant_accuracy))
    yield from (drop.n, drop.lost, drop.gained, drop.clusters, f"{drop.g_star:.1f}")
    yield drop.headline.method if drop.headline else "none"
    yield from bounds(drop.headline)
    yield from bounds(drop.bootstrap)
    yield drop.score.method if drop.score else "none"
    yield from bounds(drop.score)
    yield hundredths(drop.detectable)
    yield from (guarded(drop.headline_reason), guarded(" ".join(drop.flags)))


def _split_row(drop: SplitDrop) -> Iterator[str | int]:
    yield from map(guarded, (drop.task, drop.heldout, drop.checkpoint))
    both = (drop.inside, drop.outside)
    yield from map(hundredths, (drop.estimate, *(a.estimate for a in both)))
    yield from (*(a.n for a in both), *(a.clusters for a in both))
    yield drop.headline.method if drop.headline else "none"
    for interval in (drop.headline, drop.score, drop.welch):
        yield from bounds(interval)
    yield from (guarded(drop.headline_reason), guarded(" ".join(drop.flags)))


def _engagement_row(found: Engagement, label: str) -> Iterator[str | int]:
    yield from map(guarded, (label, found.checkpoint, found.variant))
    yield found.n
    for pair in zip(_figures_of(found.canonical), _figures_of(found.replies), strict=True):
        yield from pair
    yield from ("" if n is None else n for n in (found.lost, found.lost_unparsed))


def _figures_of(replies: Replies) -> Iterator[str]:
    """In the order of `_REPLIES`."""
    shares = (replies.right, replies.wrong, replies.unparsed, replies.truncated, replies.at_once)
    yield from map(hundredths, shares)
    for tokens in (replies.mean_tokens, replies.median_tokens):
        yield "" if tokens is None else f"{tokens:.2f}"


def bounds(interval: Interval | None) -> Iterator[str]:
    """Low and high in points or percent; empty without an interval."""
    yield from ("", "") if interval is None else map(hundredths, (interval.low, interval.high))


def hundredths(value: float | None) -> str:
    """A share in points or percent, with two decimals; empty for None."""
    return "" if value is None else f"{100.0 * value:.2f}"
