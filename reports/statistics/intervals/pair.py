"""Item values of two checkpoints on the same items, and the interval of their mean difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from oodrop.reports.statistics.intervals.closed import Side, Values, closed_interval, p_value
from oodrop.reports.statistics.intervals.combine import mover_bounds
from oodrop.reports.statistics.intervals.interval import Interval, make_interval
from oodrop.reports.statistics.numeric import Booleans, Floats, Integers, differences, root
from oodrop.reports.statistics.sums import ClusterSums, cluster_sums

# With fewer clusters that tell the two apart, CV3-t was seen to cover too little (FIELD_NOTES 3).
MOVER_CLUSTERS = 10
# Levels between which MOVER's interval is inverted: p values end here.
_LEAST_P = 1e-12
_MOST_P = 1.0 - 1e-6


@dataclass(frozen=True, eq=False)
class Pair:
    """Cluster sums of two checkpoints' item values, and of the differences of these, K columns.

    `values` says what the items of `first`, of `second` and of `difference` can be.
    """

    first: ClusterSums
    second: ClusterSums
    difference: ClusterSums
    values: tuple[Values, Values, Values]


def pair_sums(
    first: Floats,
    second: Floats,
    mask: Booleans,
    clusters: Integers,
    values: tuple[Values, Values],
) -> Pair:
    """Sums of `first` and `second` float64[K, I] where `mask` bool[K, I], and of first - second.

    `clusters` int64[I]; `values` of the two. Raises DataError as `cluster_sums` does.
    """
    apart = differences(np.where(mask, first, 0.0), np.where(mask, second, 0.0))
    return Pair(
        first=cluster_sums(first, mask, clusters),
        second=cluster_sums(second, mask, clusters),
        difference=cluster_sums(apart, mask, clusters),
        values=with_difference(*values),
    )


def with_difference(one: Values, two: Values) -> tuple[Values, Values, Values]:
    """What the items of two checkpoints can be, and what their differences can be."""
    # Scores from 0 to 1 differ by at most 1; drops from -1 to 1 by at most 2.
    limit = one.limit + two.limit if one.signed or two.signed else max(one.limit, two.limit)
    whole = one.whole and two.whole and limit == 1.0
    return one, two, Values(limit, signed=True, whole=whole)


def pair_interval(pair: Pair, column: int = 0, *, level: float = 0.95) -> Interval | None:
    """Interval of the mean of `first` minus `second` in one column.

    Differences of -1, 0 and 1 alone (two checkpoints scored 0 or 1) have Tango's interval on the
    effective sample size. Others, and the difference of two drops always, have CV3-t; with fewer
    than ten clusters of nonzero sum MOVER, from the closed intervals of the two. Near the ceiling
    nearly every cluster shows no difference, and the few that do say little about the spread.

    MOVER takes the correlation r of the two estimates from their CV3 variances,
    r = (V_a + V_b - V_{a-b}) / (2 SE_a SE_b), where it is negative, which widens; a positive one,
    the rule for two checkpoints on the same items, is estimated from the same few clusters and
    would narrow on their word, so it counts as 0 (conservative).

    None with fewer than five effective clusters or, without bounds, without spread.
    """
    if not _few(pair, column):
        return closed_interval(pair.difference, column, pair.values[2], level=level)
    found = _mover(pair, column, level)
    return found or closed_interval(pair.difference, column, pair.values[2], level=level)


def one_sided(pair: Pair, null: float, *, side: Side, column: int = 0) -> float | None:
    """One-sided p value of the mean difference lying `side` of `null`, by inverting the interval.

    Below (1 - level) / 2 where `pair_interval` of that level leaves `null` out on that side; not
    below 1e-12 where that is MOVER's. None where there is no interval.
    """
    known = _mover(pair, column, 0.5) if _few(pair, column) else None
    if known is None:
        return p_value(pair.difference, column, pair.values[2], null, side=side)
    above = known.estimate >= null
    tail = _tail(pair, column, null, low=above) / 2.0
    return tail if above == (side == "above") else 1.0 - tail


def two_sided(pair: Pair, null: float = 0.0, *, column: int = 0) -> float | None:
    """Two-sided p value against `null`: twice the smaller one-sided one, at most 1."""
    above = one_sided(pair, null, side="above", column=column)
    below = one_sided(pair, null, side="below", column=column)
    return None if above is None or below is None else min(1.0, 2.0 * min(above, below))


def _few(pair: Pair, column: int) -> bool:
    few = bool(pair.difference.nonzero_clusters[column] < MOVER_CLUSTERS)
    return few and not pair.values[2].whole


def _mover(pair: Pair, column: int, level: float) -> Interval | None:
    one = closed_interval(pair.first, column, pair.values[0], level=level)
    two = closed_interval(pair.second, column, pair.values[1], level=level)
    if one is None or two is None:
        return None
    return make_interval(
        pair.difference,
        column,
        mover_bounds(one, two, min(0.0, _correlation(pair, column))),
        standard_error=float(pair.difference.cv3[column]),
        method="mover",
        level=level,
        flags=("degenerate",) if not pair.difference.cv3[column] else (),
    )


def _correlation(pair: Pair, column: int) -> float:
    """Of the two estimates; 0 where one of them shows no spread."""
    a, b, apart = (float(s.cv3[column]) for s in (pair.first, pair.second, pair.difference))
    if not a * b:
        return 0.0
    return min(1.0, max(-1.0, (a**2 + b**2 - apart**2) / (2.0 * a * b)))


def _tail(pair: Pair, column: int, null: float, *, low: bool) -> float:
    """1 - level of the interval whose low (or high) end is `null`."""

    def beyond(alpha: float) -> float:
        # There is an interval of every level or of none, and the caller saw one.
        found = cast(Interval, _mover(pair, column, 1.0 - alpha))
        return found.low - null if low else null - found.high

    if beyond(_LEAST_P) >= 0.0:
        return _LEAST_P
    return root(beyond, _LEAST_P, _MOST_P) if beyond(_MOST_P) > 0.0 else 1.0
