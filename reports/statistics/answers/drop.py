"""The drop: canonical minus variant accuracy, paired over the changed items."""

from __future__ import annotations

from dataclasses import dataclass

from oodrop.reports.statistics.answers.accuracy import information_flags
from oodrop.reports.statistics.columns import Column, Kind
from oodrop.reports.statistics.decisions.power import detectable
from oodrop.reports.statistics.intervals.closed import closed_interval
from oodrop.reports.statistics.intervals.headline import Choice, Evidence, headline
from oodrop.reports.statistics.intervals.interval import Interval
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.sums import ClusterSums


@dataclass(frozen=True)
class Drop:
    """Drop of one checkpoint under one variant or family, in the unit of the metric.

    `name` is the variant's slug or the family; `kind` says which. Over the `n` **changed** items,
    in `clusters` clusters (`g_star` effective ones): `estimate` = `canonical_accuracy` -
    `variant_accuracy`; all three are None when nothing was changed. `all_items` counts the
    unchanged ones of all `n_all` items as no change, so all_items * n_all = estimate * n;
    None where items were left out, of which nobody knows.

    `lost` items got worse (canonical right, variant wrong), `gained` got better; for a family and
    for scores that are not binary, by the sign of the item's difference. `flip_rate` is the share
    of changed items whose score moved, for a family averaged over each item's variants first.

    `detectable` is the smallest true drop that a two-sided test at 5% finds with probability .8 in
    data like these (`power.detectable`), whatever the level; None without a score interval.

    `bootstrap` and `score` are the two intervals (`score` is score_ess for binary differences and
    cv3_t for others, or score_ess where those have no spread), `headline` the one that leads, for
    the reason in `headline_reason`.

    Flags: no_changed_items, insufficient_clusters (G* < 5), low_information (G* < 20), degenerate
    (nothing varies), disagree (exactly one of the two intervals excludes 0), fallback (the
    interval that was asked for does not exist).
    """

    task: str
    checkpoint: str
    name: str
    kind: Kind
    family: str
    estimate: float | None
    all_items: float | None
    canonical_accuracy: float | None
    variant_accuracy: float | None
    n: int
    n_all: int
    clusters: int
    g_star: float
    lost: int
    gained: int
    flip_rate: float | None
    detectable: float | None
    bootstrap: Interval | None
    score: Interval | None
    headline: Interval | None
    headline_reason: str
    flags: tuple[str, ...]


def make_drop(
    paired: PairedScores,
    column: Column,
    sums: ClusterSums,
    k: int,
    bootstrap: Interval | None,
    *,
    interval: Choice = "auto",
    level: float = 0.95,
) -> Drop:
    """The drop of `column`, whose cluster sums are row `k` of `sums`."""
    n, n_all = int(sums.n[k]), len(paired.item_ids)
    estimate = float(sums.theta[k]) if n else None
    score = closed_interval(sums, k, column.values, level=level)
    lost, gained = int(sums.above[k]), int(sums.below[k])
    evidence = Evidence(n, float(sums.g_star[k]), lost + gained, column.values.whole)
    chosen = headline(bootstrap, score, evidence, interval)
    return Drop(
        task=paired.task,
        checkpoint=column.checkpoint,
        name=column.name,
        kind=column.kind,
        family=column.family,
        estimate=estimate,
        all_items=float(sums.sums[k].sum()) / n_all,
        canonical_accuracy=column.canonical_mean,
        variant_accuracy=_minus(column.canonical_mean, estimate),
        n=n,
        n_all=n_all,
        clusters=int(sums.clusters[k]),
        g_star=evidence.g_star,
        lost=lost,
        gained=gained,
        flip_rate=column.flip_rate,
        detectable=detectable(sums, k, column.values),
        bootstrap=bootstrap,
        score=score,
        headline=chosen.interval,
        headline_reason=chosen.reason,
        flags=_flags(sums, k, score, chosen.flags),
    )


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _flags(
    sums: ClusterSums, k: int, score: Interval | None, chosen: tuple[str, ...]
) -> tuple[str, ...]:
    if not sums.n[k]:
        return ("no_changed_items",)
    degenerate = (score is not None and "degenerate" in score.flags) or not sums.squares[k]
    return (
        *information_flags(sums, k),
        *(("degenerate",) if degenerate else ()),
        *chosen,
    )
