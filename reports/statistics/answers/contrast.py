"""Two checkpoints on the same items: difference of their drops, and of their accuracies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from oodrop import OodropError, UnknownNameError
from oodrop.reports.statistics.answers.accuracy import canonical_values
from oodrop.reports.statistics.answers.remarks import basis, flags_of, mean_of
from oodrop.reports.statistics.columns import Column, Kind, one_column
from oodrop.reports.statistics.intervals.closed import Values
from oodrop.reports.statistics.intervals.interval import Interval
from oodrop.reports.statistics.intervals.pair import Pair, pair_interval, pair_sums, two_sided
from oodrop.reports.statistics.numeric import Floats, check_level
from oodrop.reports.statistics.paired import PairedScores

CANONICAL = "canonical"
Subject = Kind | Literal["canonical"]


@dataclass(frozen=True)
class Difference:
    """Something of checkpoint `a` minus the same of checkpoint `b`, paired item by item.

    `estimate` is in the unit of the metric, over `n` items in `clusters` clusters (`g_star`
    effective ones); None without items. `p` is two-sided, against no difference: below 1 - level
    where `interval` leaves 0 out; None without an interval. `reason` says what the interval rests
    on or why there is none.

    Flags: no_changed_items, insufficient_clusters (G* < 5), low_information (G* < 20), degenerate
    (nothing varies).
    """

    task: str
    metric: str
    a: str
    b: str
    name: str
    kind: Subject
    estimate: float | None
    interval: Interval | None
    p: float | None
    n: int
    clusters: int
    g_star: float
    reason: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Contrast(Difference):
    """Drop of `a` minus drop of `b`: above 0 where `a` loses more. `drop_a`, `drop_b`: the two."""

    drop_a: float | None
    drop_b: float | None


@dataclass(frozen=True)
class AccuracyDifference(Difference):
    """Accuracy of `a` minus accuracy of `b`; `accuracy_a` and `accuracy_b` are the two.

    `name` and `kind` are ``canonical`` for the canonical accuracies over all items.
    """

    accuracy_a: float | None
    accuracy_b: float | None


def contrast(paired: PairedScores, a: str, b: str, name: str, *, level: float = 0.95) -> Contrast:
    """Drop of checkpoint `a` minus drop of checkpoint `b` under a variant, a family or `ALL`.

    Both drops are over the same changed items, so the contrast is itself a mean of item values,
    d_a - d_b in [-2, 2]. Its interval is `pair_interval`'s: CV3-t, and MOVER with fewer than ten
    clusters that tell the two apart.

    Raises:
        UnknownNameError: for a checkpoint or name that is not there.
        OodropError: for one checkpoint given twice, or an impossible level.
    """
    check_two(paired, a, b)
    one, two = (one_column(paired, checkpoint, name) for checkpoint in (a, b))
    rows = (one.differences, two.differences)
    pair = _pair(paired, one, rows, (one.values, two.values))
    found = _difference(paired, (a, b), (one.name, one.kind), pair, level)
    drops = (mean_of(pair.first, 0), mean_of(pair.second, 0))
    return Contrast(**vars(found), drop_a=drops[0], drop_b=drops[1])


def accuracy_difference(
    paired: PairedScores, a: str, b: str, name: str | None = None, *, level: float = 0.95
) -> AccuracyDifference:
    """Accuracy of `a` minus accuracy of `b`: canonical over all items, or under `name`.

    Under a variant, a family or `ALL` it is over the changed items, for several variants from each
    item's mean score. Tango's interval on the effective sample size where both checkpoints were
    scored 0 or 1, else as in `contrast`.

    Raises:
        UnknownNameError: for a checkpoint or name that is not there.
        OodropError: for one checkpoint given twice, or an impossible level.
    """
    check_two(paired, a, b)
    pair, kind = accuracy_pair(paired, a, b, name)
    found = _difference(paired, (a, b), (name or CANONICAL, kind), pair, level)
    means = (mean_of(pair.first, 0), mean_of(pair.second, 0))
    return AccuracyDifference(**vars(found), accuracy_a=means[0], accuracy_b=means[1])


def accuracy_pair(paired: PairedScores, a: str, b: str, name: str | None) -> tuple[Pair, Subject]:
    """The scores of two checkpoints as a `Pair`, and the kind of `name`; None is canonical."""
    if name is None:
        c, d = (paired.checkpoints.index(checkpoint) for checkpoint in (a, b))
        rows = paired.canonical[[c, d]][:, paired.order]
        values = (canonical_values(paired, c), canonical_values(paired, d))
        mask = np.ones((1, rows.shape[1]), np.bool_)
        return pair_sums(rows[:1], rows[1:], mask, paired.ordered_clusters, values), "canonical"
    one, two = (one_column(paired, checkpoint, name) for checkpoint in (a, b))
    values = (score_values(one), score_values(two))
    return _pair(paired, one, (one.scores, two.scores), values), one.kind


def check_two(paired: PairedScores, a: str, b: str) -> None:
    """Raise UnknownNameError or OodropError unless these are two checkpoints of `paired`."""
    for checkpoint in (a, b):
        if checkpoint not in paired.checkpoints:
            raise UnknownNameError("checkpoint", checkpoint, paired.checkpoints)
    if a == b:
        raise OodropError(f"two different checkpoints are compared; got {a!r} twice")


def _pair(
    paired: PairedScores, one: Column, rows: tuple[Floats, Floats], values: tuple[Values, Values]
) -> Pair:
    first, second = (row[None] for row in rows)
    return pair_sums(first, second, one.mask[None], paired.ordered_clusters, values)


def score_values(column: Column) -> Values:
    """What the scores under the column's variants can be: whole where the differences are."""
    unbounded = math.isinf(column.values.limit)
    return Values(column.values.limit, signed=unbounded, whole=column.values.whole)


def _difference(
    paired: PairedScores,
    checkpoints: tuple[str, str],
    subject: tuple[str, Subject],
    pair: Pair,
    level: float,
) -> Difference:
    interval = pair_interval(pair, level=check_level(level))
    sums = pair.difference
    return Difference(
        task=paired.task,
        metric=paired.metric,
        a=checkpoints[0],
        b=checkpoints[1],
        name=subject[0],
        kind=subject[1],
        estimate=mean_of(sums, 0),
        interval=interval,
        p=two_sided(pair) if interval else None,
        n=int(sums.n[0]),
        clusters=int(sums.clusters[0]),
        g_star=float(sums.g_star[0]),
        reason=basis(sums, 0, interval),
        flags=flags_of(sums, 0, interval),
    )
