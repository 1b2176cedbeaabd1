"""The split drops as tables and findings show them: one block per pair of tasks."""

from __future__ import annotations

from dataclasses import dataclass

from oodrop.reports.model import Report
from oodrop.reports.render.points import (
    accuracy_span,
    count,
    excludes_zero,
    percent,
    points,
)
from oodrop.reports.render.verdict import Finding, bounds_words, size
from oodrop.reports.statistics import Accuracy, SplitDrop

MEANING = (
    "Accuracy on items like those of the training distribution minus accuracy on held-out items: "
    "two samples, not paired, with whole clusters as the unit."
)


@dataclass(frozen=True)
class SplitPair:
    """A task, the one that holds other items, and the split drop of every checkpoint that ran both.

    `anchor` is the id of its part of the page.
    """

    task: str
    heldout: str
    anchor: str
    drops: tuple[SplitDrop, ...]

    @property
    def label(self) -> str:
        """`procedural against procedural_heldout`."""
        return f"{self.task} against {self.heldout}"


def split_pairs(report: Report) -> tuple[SplitPair, ...]:
    """The split drops of the report by pair of tasks, in their own order."""
    pairs: dict[tuple[str, str], list[SplitDrop]] = {}
    for drop in report.split_drops:
        pairs.setdefault((drop.task, drop.heldout), []).append(drop)
    return tuple(
        SplitPair(task, heldout, f"split-{k}", tuple(drops))
        for k, ((task, heldout), drops) in enumerate(pairs.items(), 1)
    )


def split_finding(drop: SplitDrop) -> Finding:
    """The split drop in one sentence: what it is, then on what it rests."""
    where = f" on {drop.heldout} against {drop.task}"
    if drop.inside.uninformative:
        found = f"{percent(drop.inside.estimate)} {accuracy_span(drop.inside)}"
        rest = f"{where}: not above chance on {drop.task} ({found}), so it has nothing to lose"
        return Finding("uninformative", "uninformative", rest)
    interval = drop.headline
    if interval is None:
        rest = f"{where}: {points(drop.estimate)} points, {drop.headline_reason}"
        return Finding("no verdict", "no verdict", rest)
    basis = f"({bounds_words(interval)}; {_sample(drop.inside)} against {_sample(drop.outside)})"
    caveats = "; the two intervals disagree about 0" if "disagree" in drop.flags else ""
    if drop.outside.uninformative:
        caveats += f"; on {drop.heldout} it is not above chance"
    if not excludes_zero(drop):
        rest = f"{where}: {points(drop.estimate)} points {basis}{caveats}"
        return Finding("no drop shown", "no drop shown", rest)
    if drop.estimate > 0.0:
        return Finding("drop", f"loses {size(drop.estimate)} points", f"{where} {basis}{caveats}")
    return Finding("gain", f"gains {size(drop.estimate)} points", f"{where} {basis}{caveats}")


def _sample(accuracy: Accuracy) -> str:
    return (
        f"{percent(accuracy.estimate)} of {accuracy.n} items in "
        f"{count(accuracy.clusters, 'cluster')}"
    )
