"""The split drops as tables and findings show them: one block per pair of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oodrop.reports.model import Report
from oodrop.reports.render.points import (
    accuracy_span,
    count,
    excludes_zero,
    percent,
    points,
    span,
)
from oodrop.reports.render.tables import Table
from oodrop.reports.render.verdict import Finding, bounds_words, size
from oodrop.reports.statistics import Accuracy, SplitContrast, SplitDrop

# What is said of more checkpoints than this is folded, one by one.
OPEN_CHECKPOINTS = 4
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
    contrasts: tuple[SplitContrast, ...]

    @property
    def folded(self) -> bool:
        """Whether its sentences are shown only when asked: the table says the same."""
        return len(self.drops) > OPEN_CHECKPOINTS

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
        SplitPair(task, heldout, f"split-{k}", tuple(drops), _contrasts(report, task, heldout))
        for k, ((task, heldout), drops) in enumerate(pairs.items(), 1)
    )


def _contrasts(report: Report, task: str, heldout: str) -> tuple[SplitContrast, ...]:
    return tuple(c for c in report.split_contrasts if (c.task, c.heldout) == (task, heldout))


def split_table(contrasts: Sequence[SplitContrast]) -> Table:
    """Which of two checkpoints loses more from one set of items to the other."""
    return Table(
        "Which of two loses more on held-out items",
        "Split drop of the first minus split drop of the second, in points; each difference of "
        "accuracies is paired item by item, the two sets of items are not. * where 0 is excluded.",
        ("First", "Second", "From", "To", "Contrast", "Interval", "Welch interval"),
        3,
        tuple(
            (
                c.a,
                c.b,
                c.task,
                c.heldout,
                points(c.estimate) + " *" * bool(c.headline and c.headline.excludes(0.0)),
                span(c.headline),
                span(c.welch),
            )
            for c in contrasts
        ),
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
        ruled = f"; a drop of up to {max(100.0 * interval.high, 0.1):.1f} points is not ruled out"
        rest = f"{where}: {points(drop.estimate)} points {basis}{ruled}{caveats}"
        return Finding("no drop shown", "no drop shown", rest)
    if drop.estimate > 0.0:
        return Finding("drop", f"loses {size(drop.estimate)} points", f"{where} {basis}{caveats}")
    return Finding("gain", f"gains {size(drop.estimate)} points", f"{where} {basis}{caveats}")


def _sample(accuracy: Accuracy) -> str:
    return (
        f"{percent(accuracy.estimate)} of {count(accuracy.n, 'item')} in "
        f"{count(accuracy.clusters, 'cluster')}"
    )
