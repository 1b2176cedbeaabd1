"""Recipes of training: checkpoints that differ in their training seed alone, as one sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from oodrop import OodropError, UnknownNameError
from oodrop.reports.statistics.answers.accuracy import canonical_values
from oodrop.reports.statistics.answers.contrast import CANONICAL, Subject, score_values
from oodrop.reports.statistics.answers.sensitivity import noticed
from oodrop.reports.statistics.columns import one_column
from oodrop.reports.statistics.intervals.closed import RIGHT_OR_WRONG, Values, closed_interval
from oodrop.reports.statistics.intervals.crossing import Crossing, crossing
from oodrop.reports.statistics.intervals.interval import MIN_CLUSTERS, Interval
from oodrop.reports.statistics.intervals.pair import (
    pair_interval,
    pair_sums,
    two_sided,
    with_difference,
)
from oodrop.reports.statistics.numeric import Booleans, Floats, check_level
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.sums import ClusterSums, cluster_sums

Of = Literal["drop", "accuracy", "noticed"]


@dataclass(frozen=True)
class OverSeeds:
    """Drop, accuracy or `noticed` of a typical checkpoint of a recipe, or one recipe minus another.

    `each` has a tuple per recipe: what its checkpoints had, in the order in which they were named.
    `estimate` is the mean of the first recipe's, minus that of the second's, in the unit of the
    metric, over `n` items; None without items. `interval` is crossed over clusters of items and
    seeds, `p` two-sided, against 0. `item_error` is the standard error that other items alone would
    bring, `seed_error` the one that other seeds alone would.

    Flags: no_changed_items, degenerate (nothing varies).
    """

    task: str
    metric: str
    name: str
    kind: Subject
    of: Of
    each: tuple[tuple[float, ...], ...]
    estimate: float | None
    interval: Interval | None
    p: float | None
    n: int
    item_error: float | None
    seed_error: float | None
    reason: str
    flags: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Rows:
    """Item values of the checkpoints of one recipe."""

    scores: Floats
    mask: Booleans
    values: Values
    kind: Subject


def over_seeds(
    paired: PairedScores,
    recipes: Sequence[Sequence[str]],
    name: str | None = None,
    *,
    of: Of = "drop",
    level: float = 0.95,
) -> OverSeeds:
    """One recipe, or the first minus the second, with an interval over items and training seeds.

    Checkpoints of a recipe are a sample of what it makes; the items are the same for all of them.
    So what is asked is what another training with another seed would show on other items, and the
    variances are those of `crossing`, its rows being the checkpoints; seeds of two recipes count as
    independent samples.

    Args:
        paired: scores of all the checkpoints.
        recipes: one or two, each with the names of two checkpoints or more.
        name: variant, family or `ALL`; None for the canonical accuracy. For ``noticed`` the slug of
            a control that changes the right answer.
        of: what is averaged over the seeds: the drop under `name`, the accuracy, or the share of
            items right both before and after the control (see `Sensitivity`).
        level: of the interval.

    Raises:
        UnknownNameError: for a checkpoint or name that is not there.
        OodropError: for a recipe of fewer than two checkpoints, a checkpoint named twice, an
            impossible level, or a drop or ``noticed`` that is asked for without a name.
    """
    check_level(level)
    _check(paired, recipes, name, of)
    rows = [_rows(paired, recipe, name, of) for recipe in recipes]
    sums = [cluster_sums(r.scores, r.mask, paired.ordered_clusters) for r in rows]
    n = int(sums[0].n[0])
    means = [float(s.theta.mean()) for s in sums] if n else []
    found = crossing(*sums) if n else None
    estimate = means[0] - math.fsum(means[1:]) if n else None
    interval, p, reason = _interval(paired, rows, sums, found, level)
    several = found is not None and found.clusters > 1
    return OverSeeds(
        task=paired.task,
        metric=paired.metric,
        name=name or CANONICAL,
        kind=rows[0].kind,
        of=of,
        each=tuple(tuple(s.theta.tolist()) for s in sums) if n else tuple(() for _ in rows),
        estimate=estimate,
        interval=interval,
        p=p,
        n=n,
        item_error=math.sqrt(found.items) if found and several else None,
        seed_error=math.sqrt(found.rows) if found else None,
        reason=reason,
        flags=("no_changed_items",) if not n else interval.flags if interval else (),
    )


def _check(
    paired: PairedScores, recipes: Sequence[Sequence[str]], name: str | None, of: Of
) -> None:
    named = [checkpoint for recipe in recipes for checkpoint in recipe]
    for checkpoint in named:
        if checkpoint not in paired.checkpoints:
            raise UnknownNameError("checkpoint", checkpoint, paired.checkpoints)
    if len(recipes) not in (1, 2) or len(set(named)) < len(named):
        raise OodropError(
            "one recipe is looked at or two are compared, and no checkpoint stands in them twice; "
            f"got {' against '.join(', '.join(recipe) or 'none' for recipe in recipes) or 'none'}"
        )
    for recipe in recipes:
        if len(recipe) < 2:
            raise OodropError(
                "a recipe needs checkpoints of at least two seeds, one says nothing about others; "
                f"got {', '.join(recipe) or 'none'}"
            )
    if of != "accuracy" and name is None:
        raise OodropError("a drop is one under a variant, a family or all of them; got no name")


def _rows(paired: PairedScores, recipe: Sequence[str], name: str | None, of: Of) -> _Rows:
    if name is None:
        places = [paired.checkpoints.index(checkpoint) for checkpoint in recipe]
        scores = paired.canonical[places][:, paired.order]
        whole = all(canonical_values(paired, c).whole for c in places)
        values = Values(canonical_values(paired, places[0]).limit, not paired.bounded, whole)
        return _Rows(scores, np.ones(scores.shape, np.bool_), values, "canonical")
    if of == "noticed":
        pairs = [noticed(paired, checkpoint, name) for checkpoint in recipe]
        items, masks = (np.array(part) for part in zip(*pairs, strict=True))
        return _Rows(items, masks, RIGHT_OR_WRONG, "variant")
    found = [one_column(paired, checkpoint, name) for checkpoint in recipe]
    first = found[0]
    return _Rows(
        np.array([c.differences if of == "drop" else c.scores for c in found]),
        np.array([c.mask for c in found]),
        first.values if of == "drop" else score_values(first),
        first.kind,
    )


def _interval(
    paired: PairedScores,
    rows: Sequence[_Rows],
    sums: Sequence[ClusterSums],
    found: Crossing | None,
    level: float,
) -> tuple[Interval | None, float | None, str]:
    if found is None:
        return None, None, "no interval: nothing was changed"
    if found.g_star < MIN_CLUSTERS:
        few = f"{found.g_star:.1f} effective clusters (at least {MIN_CLUSTERS:.0f} are needed)"
        return None, None, f"no interval: {few}"
    if not found.total > 0.0:
        return _degenerate(paired, rows, level)
    means = [float(s.theta.mean()) for s in sums]
    estimate = means[0] - math.fsum(means[1:])
    half, values = found.half_width(level), rows[0].values
    if len(rows) == 2:
        values = with_difference(values, rows[1].values)[2]
    moved = np.vstack([np.abs(s.sums) for s in sums]).sum(axis=0)
    interval = Interval(
        estimate=estimate,
        low=min(max(estimate - half, values.low), estimate),
        high=max(min(estimate + half, values.limit), estimate),
        standard_error=math.sqrt(found.total),
        method="crossed_t",
        level=level,
        n=int(sums[0].n[0]),
        clusters=found.clusters,
        g_star=found.g_star,
        nonzero_clusters=int(np.count_nonzero(moved)),
    )
    seeds = " and ".join(str(len(r.scores)) for r in rows)
    return interval, found.p_value(estimate), f"{found.clusters} clusters and {seeds} seeds"


def _degenerate(
    paired: PairedScores, rows: Sequence[_Rows], level: float
) -> tuple[Interval | None, float | None, str]:
    """All seeds have the same in every cluster: what the items alone still allow."""
    means = [np.where(r.mask[0], r.scores.mean(axis=0), 0.0)[None] for r in rows]
    mask, clusters, values = rows[0].mask[:1], paired.ordered_clusters, [r.values for r in rows]
    p = None
    if len(rows) == 1:
        found = closed_interval(cluster_sums(means[0], mask, clusters), 0, values[0], level=level)
    else:
        pair = pair_sums(means[0], means[1], mask, clusters, (values[0], values[1]))
        found, p = pair_interval(pair, level=level), two_sided(pair)
    if found is None:
        return None, None, "no interval: nothing varies, which leaves no spread to judge"
    flags = tuple(dict.fromkeys((*found.flags, "degenerate")))
    return replace(found, flags=flags), p, "nothing varies: the closed interval of the items"
