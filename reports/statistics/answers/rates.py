"""How steady single items are, beneath the drop: flips, losses, gains, and the worst of an item."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from oodrop.reports.statistics.answers.remarks import flags_of, mean_of
from oodrop.reports.statistics.columns import (
    ALL,
    Column,
    Kind,
    columns,
    one_column,
    pooled_variants,
)
from oodrop.reports.statistics.intervals.closed import Values, closed_interval
from oodrop.reports.statistics.intervals.interval import Interval
from oodrop.reports.statistics.numeric import Booleans, Floats, check_level
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.sums import cluster_sums
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES


@dataclass(frozen=True)
class Rate:
    """A mean over `n` items, from 0 to 1 unless the metric is not; None without items.

    `interval` is Wilson's on the effective sample size where every item counts 0 or 1, CV3-t
    elsewhere (`closed_interval`). Flags: no_changed_items, insufficient_clusters (G* < 5),
    low_information (G* < 20), degenerate (nothing varies).
    """

    estimate: float | None
    interval: Interval | None
    n: int
    clusters: int
    g_star: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Moves:
    """Of the changed items: scores that moved (`flip`), fell (`loss`) and rose (`gain`).

    Under a family or `ALL` an item counts by the share of its variants, of those that changed it,
    under which that happened. flip = loss + gain, and for scores of 0 and 1 loss - gain is the
    drop: a drop of 0 with many flips is no robustness.
    """

    name: str
    kind: Kind
    family: str
    flip: Rate
    loss: Rate
    gain: Rate


@dataclass(frozen=True)
class Consistency:
    """How steady the items of one checkpoint are under the variants it was given.

    `moves`: all variants that have a drop, then the families present, then `ALL`.

    `all_right` and `worst` are over the items that at least one natural variant changed (headline
    families, evidence better than assumed: what families pool). `all_right` is the share of them
    right on canonical and on every natural variant that changed them, right being a score of 1
    (of several replies: all right); None for scores outside [0, 1]. `worst` is the mean over them
    of the least score under these variants, the canonical one left out: what an adversary who may
    only choose among them leaves. Both fall as variants are added, so they compare checkpoints on
    the same variants and nothing else. Both are None without natural variants.
    """

    task: str
    metric: str
    checkpoint: str
    moves: tuple[Moves, ...]
    all_right: Rate | None
    worst: Rate | None


def consistency(paired: PairedScores, *, level: float = 0.95) -> tuple[Consistency, ...]:
    """One `Consistency` per checkpoint, in the order of `paired.checkpoints`.

    Raises OodropError for an impossible level.
    """
    check_level(level)
    wanted = columns(paired)
    return tuple(
        _consistency(paired, c, [column for column in wanted if column.checkpoint == c], level)
        for c in paired.checkpoints
    )


def _consistency(
    paired: PairedScores, checkpoint: str, wanted: Sequence[Column], level: float
) -> Consistency:
    natural = [v for family in HEADLINE_FAMILIES for v in pooled_variants(paired, family)]
    single = {column.name: column for column in wanted if column.kind == "variant"}
    pooled = [*wanted, one_column(paired, checkpoint, ALL)] if natural else wanted
    each = [single[paired.variants[v].slug] for v in natural]
    return Consistency(
        task=paired.task,
        metric=paired.metric,
        checkpoint=checkpoint,
        moves=tuple(_moves(paired, pooled, single, level)),
        all_right=_all_right(paired, each, level) if each and paired.bounded else None,
        worst=_worst(paired, each, level) if each else None,
    )


def _moves(
    paired: PairedScores, wanted: Sequence[Column], single: dict[str, Column], level: float
) -> Iterator[Moves]:
    for column in wanted:
        parts = [single[slug] for slug in _slugs(paired, column)]
        masks = np.array([part.mask for part in parts])
        values = np.array([part.differences for part in parts])
        shares = [
            _share(masks & happened, masks) for happened in (values != 0, values > 0, values < 0)
        ]
        flip, loss, gain = (rate_of(paired, share, column.mask, _SHARES, level) for share in shares)
        yield Moves(column.name, column.kind, column.family, flip, loss, gain)


_SHARES = Values(1.0, signed=False, whole=False)


def _slugs(paired: PairedScores, column: Column) -> list[str]:
    if column.kind == "variant":
        return [column.name]
    families = HEADLINE_FAMILIES if column.kind == "all" else (column.family,)
    return [paired.variants[v].slug for f in families for v in pooled_variants(paired, f)]


def _share(happened: Booleans, masks: Booleans) -> Floats:
    """float64[I]: share of the variants bool[V, I] that changed an item under which it happened."""
    return np.asarray(happened.sum(axis=0) / np.maximum(masks.sum(axis=0), 1))


def _all_right(paired: PairedScores, each: Sequence[Column], level: float) -> Rate:
    right = each[0].canonical == 1.0
    for column in each:
        right &= ~column.mask | (column.scores == 1.0)
    mask = np.logical_or.reduce([column.mask for column in each])
    return rate_of(paired, right.astype(np.float64), mask, _SHARES, level)


def _worst(paired: PairedScores, each: Sequence[Column], level: float) -> Rate:
    least = np.min([np.where(column.mask, column.scores, np.inf) for column in each], axis=0)
    mask = np.logical_or.reduce([column.mask for column in each])
    limit = 1.0 if paired.bounded else math.inf
    values = Values(limit, signed=not paired.bounded, whole=False)
    return rate_of(paired, least, mask, values, level)


def rate_of(
    paired: PairedScores, items: Floats, mask: Booleans, values: Values, level: float
) -> Rate:
    """The mean of item values float64[I] under a mask bool[I], items in `paired.order`."""
    sums = cluster_sums(items[None], mask[None], paired.ordered_clusters)
    whole = values.limit == 1.0 and bool(np.isin(items[mask], (0.0, 1.0)).all())
    found = Values(values.limit, values.signed, whole)
    interval = closed_interval(sums, 0, found, level=level)
    return Rate(
        estimate=mean_of(sums, 0),
        interval=interval,
        n=int(sums.n[0]),
        clusters=int(sums.clusters[0]),
        g_star=float(sums.g_star[0]),
        flags=flags_of(sums, 0, interval),
    )
