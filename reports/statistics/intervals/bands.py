"""Simultaneous intervals: many columns, and all their claims right together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from oodrop import DataError, OodropError, UnknownNameError
from oodrop.reports.statistics.columns import ALL, one_column, pooled_variants
from oodrop.reports.statistics.intervals.bootstrap import (
    check_settings,
    largest_distances,
    quantile_rank,
)
from oodrop.reports.statistics.intervals.closed import Values, closed_interval
from oodrop.reports.statistics.intervals.headline import BOOTSTRAP_CLUSTERS, BOOTSTRAP_DISCORDANT
from oodrop.reports.statistics.intervals.interval import MIN_CLUSTERS, Interval, make_interval
from oodrop.reports.statistics.numeric import Booleans, Floats, Integers
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.sums import ClusterSums, cluster_sums
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES

BandMethod = Literal["auto", "max_t", "bonferroni"]
# A resample in which one column shows no spread makes the largest distance infinite for all of
# them. Ten clusters that differ from the rest are all missed once in 20,000 resamples.
MIN_DIFFERING_CLUSTERS = 10


def bands(
    sums: ClusterSums,
    values: Sequence[Values],
    *,
    groups: Integers | None = None,
    resamples: int = 10_000,
    seed: int = 2026,
    level: float = 0.95,
    method: BandMethod = "auto",
) -> tuple[Interval | None, ...]:
    """Intervals for K columns that hold all together with probability `level`.

    Of the K columns that have an interval at all, m share theta +- q CR1, q the quantile of the
    largest |theta* - theta| / SE* among them in a resample, at level 1 - (1 - level) m/K (max-t
    with a per-replicate standard error: Romano and Wolf, Econometrica 73 (2005); with a fixed one
    it covered 87.7 to 93%, FIELD_NOTES 3). The others have their closed interval at level
    1 - (1 - level)/K. The errors add up to at most 1 - level. Bounds stay inside what the values
    can be. Memory: 8 bytes x resamples x groups, plus one block.

    ``auto`` bands together the columns with at least 30 effective clusters, 20 items that moved
    and 10 clusters whose mean is not that of most; ``max_t`` all that have at least 5 effective
    clusters and spread; ``bonferroni`` none. Where q is infinite, or `resamples` are too few for
    its level, all columns have their closed interval (flagged `fallback` where max_t was asked).

    `groups` int64[K] are any codes: columns of one code hold together, each group by itself, all
    on the same draws. By default all columns are one group. Every interval is flagged
    `simultaneous`, and its `level` is that of its group. None for a column without an interval
    (`closed_interval`): it makes no claim and does not count in K.

    Raises OodropError for an impossible method, level, seed or too few resamples, DataError when
    `values` or `groups` do not fit the columns.
    """
    _check_method(method)
    check_settings(resamples, seed, level)
    columns = len(sums.sums)
    codes = np.zeros(columns, np.int64) if groups is None else np.asarray(groups)
    if len(values) != columns or codes.shape != (columns,):
        raise DataError(
            f"{columns} columns need as many values and groups; got {len(values)} values and "
            f"groups of shape {codes.shape}"
        )
    _, codes = np.unique(codes, return_inverse=True)
    claims = _has_interval(sums, values)
    error = (1.0 - level) / np.bincount(codes, claims, minlength=1)[codes].clip(1.0)
    critical = _critical(sums, codes, claims, method, error, resamples, seed)
    out: list[Interval | None] = []
    for k in range(columns):
        if not claims[k]:
            out.append(None)
        elif np.isfinite(critical[k]):
            out.append(_max_t(sums, k, values[k], float(critical[k]), resamples, seed, level))
        else:
            out.append(_closed(sums, k, values[k], float(error[k]), level, method))
    return tuple(out)


def joint_bands(
    blocks: Callable[[], Iterable[tuple[ClusterSums, Sequence[Values]]]],
    *,
    resamples: int = 10_000,
    seed: int = 2026,
    level: float = 0.95,
    method: BandMethod = "auto",
) -> Iterator[Interval | None]:
    """`bands` of one group whose columns come in blocks, of which one at a time is held.

    `blocks` is called twice and gives the same blocks each time: the first pass finds the quantile
    for all of them, the second one yields the intervals in order. They are those of `bands`.

    Raises OodropError for an impossible method, level, seed or too few resamples.
    """
    _check_method(method)
    check_settings(resamples, seed, level)
    largest = np.zeros(resamples)
    claimed = shared = 0
    for sums, values in blocks():
        claims = _has_interval(sums, values)
        together = np.flatnonzero(claims & _valid(sums, method))
        claimed, shared = claimed + int(claims.sum()), shared + len(together)
        if len(together):
            one = np.zeros(len(together), np.int64)
            found = largest_distances(sums, together, one, resamples=resamples, seed=seed)
            largest = np.maximum(largest, found[:, 0])
    error = (1.0 - level) / max(claimed, 1)
    rank = quantile_rank(1.0 - error * shared, resamples)
    critical = float(np.sort(largest)[rank - 1]) if shared and rank <= resamples else math.inf
    for sums, values in blocks():
        claims = _has_interval(sums, values)
        banded = claims & _valid(sums, method) & math.isfinite(critical)
        for k, own in enumerate(values):
            if not claims[k]:
                yield None
            elif banded[k]:
                yield _max_t(sums, k, own, critical, resamples, seed, level)
            else:
                yield _closed(sums, k, own, error, level, method)


def _check_method(method: str) -> None:
    if method not in get_args(BandMethod):
        raise OodropError(
            f"method must be one of {', '.join(get_args(BandMethod))}; got {method!r}"
        )


def _has_interval(sums: ClusterSums, values: Sequence[Values]) -> Booleans:
    """bool[K]: whether the closed interval exists; the bootstrap's does not without it."""
    bounded = np.array([np.isfinite(v.limit) for v in values], np.bool_)
    return np.asarray((sums.g_star >= MIN_CLUSTERS) & (bounded | _spread(sums)))


def _spread(sums: ClusterSums) -> Booleans:
    return np.asarray(np.nan_to_num(sums.cr1) > 0.0)


def _valid(sums: ClusterSums, method: BandMethod) -> Booleans:
    """bool[K]: whether the column may share in the bootstrap."""
    if method == "bonferroni":
        return np.zeros(len(sums.sums), np.bool_)
    if method == "max_t":
        return _spread(sums)
    moved = sums.above + sums.below
    enough = (sums.g_star >= BOOTSTRAP_CLUSTERS) & (moved >= BOOTSTRAP_DISCORDANT)
    return np.asarray(enough & _spread(sums) & (_differing(sums) >= MIN_DIFFERING_CLUSTERS))


def _differing(sums: ClusterSums) -> Integers:
    """int64[K]: clusters whose mean is not the median one, which is that of most if any is."""
    means = np.full(sums.sums.shape, np.inf)
    np.divide(sums.sums, sums.sizes, out=means, where=sums.sizes > 0.0)
    middle = np.maximum(sums.clusters - 1, 0)[:, None] // 2
    median = np.take_along_axis(np.sort(means, axis=1), middle, axis=1)
    return np.asarray(np.count_nonzero((means != median) & np.isfinite(means), axis=1), np.int64)


def _critical(
    sums: ClusterSums,
    codes: Integers,
    claims: Booleans,
    method: BandMethod,
    error: Floats,
    resamples: int,
    seed: int,
) -> Floats:
    """float64[K]: the max-t quantile of each column's group, infinite outside it.

    `error` float64[K] is each column's share of the error of its group.
    """
    critical = np.full(len(claims), np.inf)
    together = claims & _valid(sums, method)
    allowed = error * np.bincount(codes, together, minlength=1)[codes]
    ranks = np.array([quantile_rank(1.0 - a, resamples) for a in allowed.tolist()], np.int64)
    used = np.flatnonzero(together & (ranks <= resamples))
    if len(used):
        _, first, groups = np.unique(codes[used], return_index=True, return_inverse=True)
        largest = largest_distances(sums, used, groups, resamples=resamples, seed=seed)
        largest.sort(axis=0)
        quantiles = largest[ranks[used][first] - 1, np.arange(len(first))]
        critical[used] = quantiles[groups]
    return critical


def _max_t(
    sums: ClusterSums,
    k: int,
    values: Values,
    critical: float,
    resamples: int,
    seed: int,
    level: float,
) -> Interval:
    theta, error = float(sums.theta[k]), float(sums.cr1[k])
    half = critical * error
    return make_interval(
        sums,
        k,
        (max(theta - half, values.low), min(theta + half, values.limit)),
        standard_error=error,
        method="max_t",
        level=level,
        resamples=resamples,
        seed=seed,
        flags=("simultaneous",),
    )


def _closed(
    sums: ClusterSums, k: int, values: Values, error: float, level: float, method: BandMethod
) -> Interval | None:
    found = closed_interval(sums, k, values, level=1.0 - error)
    if found is None:
        return None
    fallback = ("fallback",) if method == "max_t" else ()
    return replace(found, level=level, flags=(*found.flags, "simultaneous", *fallback))


@dataclass(frozen=True)
class DropBands:
    """The drops of one checkpoint under several variants, with intervals that hold together.

    `name` is the family, or ``all``; `intervals` follow `slugs` and are None where a variant has
    none (fewer than five effective clusters, or nothing changed). Drops in the unit of the metric.
    """

    task: str
    checkpoint: str
    name: str
    slugs: tuple[str, ...]
    intervals: tuple[Interval | None, ...]
    level: float

    def band(self, slug: str) -> Interval | None:
        """The interval of one variant; UnknownNameError for a slug that is not among them."""
        if slug not in self.slugs:
            raise UnknownNameError("variant", slug, self.slugs)
        return self.intervals[self.slugs.index(slug)]


def drop_bands(
    paired: PairedScores,
    name: str = ALL,
    *,
    checkpoints: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 2026,
    level: float = 0.95,
    method: BandMethod = "auto",
) -> tuple[DropBands, ...]:
    """Per checkpoint simultaneous intervals for the drops of the variants that `name` pools.

    `name` is a natural family or ``all`` (every natural variant on evidence better than
    `assumed`). The level holds for all variants of one checkpoint together, not for all
    checkpoints together. `checkpoints` are all by default.

    Raises UnknownNameError for a checkpoint or family that is not there; else as `bands`.
    """
    slugs = pooled_slugs(paired, name)
    wanted = tuple(paired.checkpoints if checkpoints is None else checkpoints)
    each = [one_column(paired, c, slug) for c in wanted for slug in slugs]
    sums = cluster_sums(
        np.array([c.differences for c in each]),
        np.array([c.mask for c in each]),
        paired.ordered_clusters,
    )
    found = bands(
        sums,
        [c.values for c in each],
        groups=np.repeat(np.arange(len(wanted)), len(slugs)),
        resamples=resamples,
        seed=seed,
        level=level,
        method=method,
    )
    size = len(slugs)
    return tuple(
        DropBands(paired.task, c, name, slugs, found[k * size : (k + 1) * size], level)
        for k, c in enumerate(wanted)
    )


def pooled_slugs(paired: PairedScores, name: str) -> tuple[str, ...]:
    """The slugs of the variants that `name` pools (a family, or all), in the order of the variants.

    Raises UnknownNameError for a name that pools none.
    """
    pooled = [
        v
        for family in HEADLINE_FAMILIES
        if name in (ALL, family)
        for v in pooled_variants(paired, family)
    ]
    if not pooled:
        families = [f for f in HEADLINE_FAMILIES if pooled_variants(paired, f)]
        raise UnknownNameError("family", name, [*families, *([ALL] if families else [])])
    return tuple(paired.variants[v].slug for v in sorted(pooled))
