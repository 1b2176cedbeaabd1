"""Every two checkpoints of a task set against each other, in one quantity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from oodrop.reports.statistics.answers.accuracy import canonical_values
from oodrop.reports.statistics.answers.contrast import score_values
from oodrop.reports.statistics.columns import ALL, Column, one_column
from oodrop.reports.statistics.intervals.closed import Values
from oodrop.reports.statistics.intervals.interval import Interval
from oodrop.reports.statistics.intervals.pair import pair_interval, pair_sums, with_difference
from oodrop.reports.statistics.numeric import Floats, check_level
from oodrop.reports.statistics.paired import PairedScores

Quantity = Literal["canonical", "variant", "drop"]


@dataclass(frozen=True)
class Versus:
    """A quantity of checkpoint `a` minus the same of `b`; None without changed items or interval.

    `estimate` is in the unit of the metric.
    """

    a: str
    b: str
    estimate: float | None
    interval: Interval | None


def versus(
    paired: PairedScores, quantity: Quantity, name: str = ALL, *, level: float = 0.95
) -> Iterator[Versus]:
    """All C (C - 1)/2 differences, in the order of the checkpoints.

    `quantity` is the accuracy on the canonical items that `name` (a variant, a family, ``all``)
    changed, the accuracy on its variants, or the drop. The intervals are those of
    `accuracy_difference` and `contrast`, of one pair each, not adjusted for their number. Memory:
    that of C rows of items.

    Raises UnknownNameError for a name that is not there, OodropError for an impossible level.
    """
    check_level(level)
    each = [one_column(paired, checkpoint, name) for checkpoint in paired.checkpoints]
    rows = np.array([_row(column, quantity) for column in each])
    values = [_values(paired, c, column, quantity) for c, column in enumerate(each)]
    mask = each[0].mask
    for a in range(len(each) - 1):
        rest = rows[a + 1 :]
        pair = pair_sums(
            np.broadcast_to(rows[a], rest.shape),
            rest,
            np.broadcast_to(mask, rest.shape),
            paired.ordered_clusters,
            (values[a], values[a]),
        )
        for k, b in enumerate(range(a + 1, len(each))):
            own = replace(pair, values=with_difference(values[a], values[b]))
            yield Versus(
                a=each[a].checkpoint,
                b=each[b].checkpoint,
                estimate=float(pair.difference.theta[k]) if mask.any() else None,
                interval=pair_interval(own, k, level=level),
            )


def _row(column: Column, quantity: Quantity) -> Floats:
    if quantity == "drop":
        return column.differences
    return column.canonical if quantity == "canonical" else column.scores


def _values(paired: PairedScores, c: int, column: Column, quantity: Quantity) -> Values:
    if quantity == "drop":
        return column.values
    return canonical_values(paired, c) if quantity == "canonical" else score_values(column)
