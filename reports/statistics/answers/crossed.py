"""The drop under a typical template: templates are a sample too, crossed with the items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from oodrop import OodropError
from oodrop.reports.statistics.columns import Column, one_column
from oodrop.reports.statistics.intervals.closed import closed_interval
from oodrop.reports.statistics.intervals.crossing import Crossing, crossing
from oodrop.reports.statistics.intervals.interval import MIN_CLUSTERS, Interval
from oodrop.reports.statistics.numeric import Integers, check_level
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.sums import ClusterSums, cluster_sums


@dataclass(frozen=True)
class Crossed:
    """The drop of one checkpoint under a typical template, in the unit of the metric.

    `estimate` is the mean over the `templates` of each one's drop over its changed items; None
    without any. `item_error` is the standard error that other items alone would bring (CV3 over
    clusters), `template_error` the one that other templates alone would bring, s / sqrt(T).
    `interval` is None, with a `reason`, where templates cannot be generalised from.

    `canonical_percentile` is the share of the templates whose accuracy lies below the canonical one
    (half of those that equal it): the canonical template is itself one draw, and one near 1 was a
    lucky or a fitted one.
    """

    task: str
    checkpoint: str
    slugs: tuple[str, ...]
    templates: int
    estimate: float | None
    interval: Interval | None
    item_error: float | None
    template_error: float | None
    canonical_percentile: float | None
    reason: str
    flags: tuple[str, ...]


def crossed(
    paired: PairedScores, checkpoint: str, slugs: Sequence[str], *, level: float = 0.95
) -> Crossed:
    """Interval for the drop under a typical template, from variants that sample templates.

    The model is d_it = theta + item_i + template_t + (item x template)_it, items in clusters, both
    sampled: the template drops theta_t scatter around theta, with the variances of `crossing`, its
    rows being the templates. With extra the part of the variance beyond items, and t the quantiles
    of Student, the half-width is the root of

        max(t_{G*-1}^2 items + t_{T-1}^2 extra, t_{T-1}^2 rows)

    (Howe, JASA 69 (1974) 789-794). Satterthwaite's degrees of freedom were tried in its place: they
    are great when the templates happen to agree, and covered 88 to 94% with two or three templates.

    Assumes templates drawn independently from the population that one speaks about, and an estimate
    that is about normal. Where nothing varies at all the closed interval of the items stands in,
    flagged `degenerate`. Templates that changed nothing are left out (flag `templates_left_out`).

    Raises OodropError for no slugs, one named twice or an impossible level, UnknownNameError for a
    checkpoint or variant that is not there.
    """
    check_level(level)
    if not slugs or len(set(slugs)) < len(slugs):
        raise OodropError(
            "a crossed interval needs the slugs of its templates, each once; got "
            f"{', '.join(slugs) or 'none'}"
        )
    named = [one_column(paired, checkpoint, slug) for slug in sorted(slugs)]
    each = [column for column in named if column.mask.any()]
    if not each:
        return _made(
            paired, checkpoint, slugs, each, None, None, "no interval: nothing was changed"
        )
    sums = cluster_sums(
        np.array([c.differences for c in each]),
        np.array([c.mask for c in each]),
        paired.ordered_clusters,
    )
    parts = crossing(sums)
    interval, reason = _interval(paired, each, sums, parts, level)
    return _made(paired, checkpoint, slugs, each, (sums, parts), interval, reason)


def _interval(
    paired: PairedScores, each: list[Column], sums: ClusterSums, parts: Crossing, level: float
) -> tuple[Interval | None, str]:
    if len(each) == 1:
        return None, "no interval: these templates only, one of which says nothing about others"
    if parts.g_star < MIN_CLUSTERS:
        return None, (
            f"no interval: {parts.g_star:.1f} effective clusters "
            f"(at least {MIN_CLUSTERS:.0f} are needed)"
        )
    if not parts.total > 0.0:
        return _degenerate(paired, each, level)
    half = parts.half_width(level)
    estimate, values = float(sums.theta.mean()), each[0].values
    return Interval(
        estimate=estimate,
        low=min(max(estimate - half, values.low), estimate),
        high=max(min(estimate + half, values.limit), estimate),
        standard_error=math.sqrt(parts.total),
        method="crossed_t",
        level=level,
        n=int(np.count_nonzero(_counts(each))),
        clusters=parts.clusters,
        g_star=parts.g_star,
        nonzero_clusters=int(np.count_nonzero(np.abs(sums.sums).sum(axis=0))),
    ), f"crossed over {parts.clusters} clusters and {len(each)} templates"


def _counts(each: list[Column]) -> Integers:
    """int64[I]: how many of the templates changed the item."""
    return np.asarray(np.array([c.mask for c in each]).sum(axis=0), np.int64)


def _degenerate(
    paired: PairedScores, each: list[Column], level: float
) -> tuple[Interval | None, str]:
    """Every template has the same drop in every cluster: what the clusters alone still allow."""
    counts = _counts(each)
    mean = np.array([c.differences for c in each]).sum(axis=0) / np.maximum(counts, 1)
    sums = cluster_sums(mean[None], counts[None] > 0, paired.ordered_clusters)
    found = closed_interval(sums, 0, each[0].values, level=level)
    if found is None:
        return None, "no interval: nothing varies, which leaves no spread to judge"
    flags = tuple(dict.fromkeys((*found.flags, "degenerate")))
    return replace(found, flags=flags), "nothing varies: the closed interval of the items"


def _percentile(each: list[Column]) -> float:
    """Share of the templates with a drop above 0, half of those with none."""
    drops = [float(c.differences[c.mask].sum()) for c in each]
    return sum((d > 0.0) + 0.5 * (d == 0.0) for d in drops) / len(drops)


def _made(
    paired: PairedScores,
    checkpoint: str,
    slugs: Sequence[str],
    each: list[Column],
    found: tuple[ClusterSums, Crossing] | None,
    interval: Interval | None,
    reason: str,
) -> Crossed:
    sums, parts = found if found else (None, None)
    return Crossed(
        task=paired.task,
        checkpoint=checkpoint,
        slugs=tuple(sorted(slugs)),
        templates=len(each),
        estimate=float(sums.theta.mean()) if sums else None,
        interval=interval,
        item_error=math.sqrt(parts.items) if parts and parts.clusters > 1 else None,
        template_error=math.sqrt(parts.rows) if parts and len(each) > 1 else None,
        canonical_percentile=_percentile(each) if each else None,
        reason=reason,
        flags=(
            *(("templates_left_out",) if len(each) < len(slugs) else ()),
            *(interval.flags if interval else ()),
        ),
    )
