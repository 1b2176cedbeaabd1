"""Ranks of checkpoints with confidence sets: which places in a leaderboard the data allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from oodrop.reports.statistics.columns import ALL, Column, one_column
from oodrop.reports.statistics.intervals.bands import BandMethod, joint_bands
from oodrop.reports.statistics.intervals.closed import Values
from oodrop.reports.statistics.intervals.interval import Interval
from oodrop.reports.statistics.numeric import Booleans, Floats, differences
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.sums import ClusterSums, cluster_sums

# Pairs x items that are held at once.
_CELLS = 2**20


@dataclass(frozen=True)
class RankSet:
    """The place of one checkpoint among C, by its accuracy on the variants `name` stands for.

    `accuracy` is the mean score over the `n` changed items, in the unit of the metric (None without
    any); `rank` its observed place, 1 the best, equal accuracies sharing the better place. `best`
    and `worst` bound the true place. `better` and `worse` count the checkpoints that are shown to
    be above and below this one, so best = 1 + better and worst = C - worse. Checkpoints of
    different `tie_group` (1 the best) are all shown to differ from each other.
    """

    task: str
    checkpoint: str
    name: str
    accuracy: float | None
    n: int
    rank: int
    best: int
    worst: int
    better: int
    worse: int
    tie_group: int
    level: float


def rank_sets(
    paired: PairedScores,
    name: str = ALL,
    *,
    resamples: int = 10_000,
    seed: int = 2026,
    level: float = 0.95,
    method: BandMethod = "auto",
) -> tuple[RankSet, ...]:
    """Simultaneous confidence sets for the ranks of all checkpoints, in their order.

    `name` is a variant's slug, a natural family or ``all``. All C (C - 1)/2 differences of scores,
    paired item by item, get simultaneous intervals (`bands`). A checkpoint ranks below all that are
    shown to be better and above all that are shown to be worse: [1 + better, C - worse]. With
    probability `level` every set holds every place that its checkpoint's true accuracy can take
    (those of equal true accuracies share their places). Source: Mogstad, Romano, Shaikh and
    Wilhelm, Review of Economic Studies 91 (2024), section 3; Al Mohamad, van Zwet, Goeman and
    Solari, Statistica Sinica 32 (2022).

    Tie groups: in the order of accuracy there is a cut wherever everyone above it is shown to be
    better than everyone below it.

    Memory: that of a block of pairs, whatever their number. A pair without an interval (too few
    clusters) shows nothing.

    Raises UnknownNameError for a name that is not there; else as `bands`.
    """
    each = [one_column(paired, checkpoint, name) for checkpoint in paired.checkpoints]
    above = _above(paired, each, resamples, seed, level, method)
    accuracies = [_accuracy(column) for column in each]
    groups = _tie_groups(above, accuracies, paired.checkpoints)
    size = len(each)
    return tuple(
        RankSet(
            task=paired.task,
            checkpoint=column.checkpoint,
            name=name,
            accuracy=accuracies[c],
            n=int(np.count_nonzero(column.mask)),
            rank=1 + sum(_greater(other, accuracies[c]) for other in accuracies),
            best=1 + int(above[:, c].sum()),
            worst=size - int(above[c].sum()),
            better=int(above[:, c].sum()),
            worse=int(above[c].sum()),
            tie_group=groups[c],
            level=level,
        )
        for c, column in enumerate(each)
    )


def _accuracy(column: Column) -> float | None:
    return float(column.scores[column.mask].mean()) if column.mask.any() else None


def _greater(other: float | None, own: float | None) -> bool:
    return other is not None and own is not None and other > own


def _above(
    paired: PairedScores,
    each: list[Column],
    resamples: int,
    seed: int,
    level: float,
    method: BandMethod,
) -> Booleans:
    """bool[C, C]: whether the row's checkpoint is shown to be better than the column's."""
    above = np.zeros((len(each), len(each)), np.bool_)
    if len(each) < 2:
        return above
    scores: Floats = np.array([column.scores for column in each])
    whole = [_whole(column) for column in each]
    mask, limit = each[0].mask, each[0].values.limit
    pairs = np.array(list(combinations(range(len(each)), 2)))
    width = max(1, _CELLS // len(mask))
    parts = [pairs[k : k + width] for k in range(0, len(pairs), width)]

    def blocks() -> Iterator[tuple[ClusterSums, list[Values]]]:
        for part in parts:
            rest = differences(scores[part[:, 0]], scores[part[:, 1]])
            sums = cluster_sums(rest, np.broadcast_to(mask, rest.shape), paired.ordered_clusters)
            yield sums, [Values(limit, signed=True, whole=whole[a] and whole[b]) for a, b in part]

    found = joint_bands(blocks, resamples=resamples, seed=seed, level=level, method=method)
    for (a, b), interval in zip(pairs, found, strict=True):
        above[a, b], above[b, a] = _signs(interval)
    return above


def _signs(interval: Interval | None) -> tuple[bool, bool]:
    return (False, False) if interval is None else (interval.low > 0.0, interval.high < 0.0)


def _whole(column: Column) -> bool:
    return bool(np.isin(column.scores[column.mask], (0.0, 1.0)).all())


def _tie_groups(
    above: Booleans, accuracies: list[float | None], checkpoints: tuple[str, ...]
) -> list[int]:
    """Group number of each checkpoint, from 1, the best first."""
    order = sorted(range(len(accuracies)), key=lambda c: (-(accuracies[c] or 0.0), checkpoints[c]))
    groups, number = [0] * len(order), 1
    for place, c in enumerate(order):
        if place and above[np.ix_(order[:place], order[place:])].all():
            number += 1
        groups[c] = number
    return groups
