"""The split drop: accuracy on the training distribution against other items, two samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

from oodrop import DataError
from oodrop.reports.statistics.accuracy import Accuracy
from oodrop.reports.statistics.interval import Interval, Method
from oodrop.reports.statistics.numeric import t_quantile


@dataclass(frozen=True)
class SplitDrop:
    """Accuracy of one checkpoint on `task` minus its accuracy on the items of `heldout`.

    `estimate` is in the unit of the metric; `inside` and `outside` are the two accuracies. No item
    of one is paired with one of the other. `score` and `welch` are the two intervals, `headline`
    the one that leads (None where an accuracy has no interval: too few clusters), `headline_reason`
    says why. Flags: those of the two accuracies (of `outside` all but `uninformative`), `disagree`.
    """

    task: str
    heldout: str
    checkpoint: str
    estimate: float
    inside: Accuracy
    outside: Accuracy
    score: Interval | None
    welch: Interval | None
    headline: Interval | None
    headline_reason: str
    flags: tuple[str, ...]


def split_drop(inside: Accuracy, outside: Accuracy) -> SplitDrop:
    """The split drop of one checkpoint, from its accuracies on two tasks without a common cluster.

    `score` (method `mover`) puts the intervals of the two accuracies together: with differences
    d = p1 - p2 and bounds (l1, u1), (l2, u2) it is

        d - sqrt((p1 - l1)^2 + (u2 - p2)^2),   d + sqrt((u1 - p1)^2 + (p2 - l2)^2).

    With Wilson's intervals that is Newcombe's method 10 (Statistics in Medicine 17 (1998) 873-890);
    here they stand on effective sample sizes, so clusters are accounted for. The general form:
    Zou and Donner, Statistics in Medicine 27 (2008) 1693-1702.

    `welch` (method `welch_t`) is d +- t_df sqrt(CV3_1^2 + CV3_2^2), the degrees of freedom by
    Satterthwaite from G* - 1 of each; None where nothing varies in either sample.

    The score interval leads, also at the ceiling; the other stands beside it.

    Raises:
        DataError: when the two are not of one checkpoint.
    """
    if inside.checkpoint != outside.checkpoint:
        raise DataError(
            f"a split drop is of one checkpoint; got {inside.checkpoint} and {outside.checkpoint}"
        )
    score, welch = _mover(inside, outside), _welch(inside, outside)
    # Falling to chance on the other items is no fault of the estimate.
    found = (flag for flag in outside.flags if flag != "uninformative")
    disagree = score is not None and welch is not None and score.excludes(0) != welch.excludes(0)
    return SplitDrop(
        task=inside.task,
        heldout=outside.task,
        checkpoint=inside.checkpoint,
        estimate=inside.estimate - outside.estimate,
        inside=inside,
        outside=outside,
        score=score,
        welch=welch,
        headline=score,
        headline_reason=_reason(inside, outside),
        flags=(*dict.fromkeys((*inside.flags, *found)), *(("disagree",) * disagree)),
    )


def _reason(inside: Accuracy, outside: Accuracy) -> str:
    words = f"{inside.g_star:.1f} and {outside.g_star:.1f} effective clusters"
    if inside.interval is None or outside.interval is None:
        return f"no interval: {words}"
    return f"score interval: {words}"


def _mover(inside: Accuracy, outside: Accuracy) -> Interval | None:
    one, two = inside.interval, outside.interval
    if one is None or two is None:
        return None
    difference = inside.estimate - outside.estimate
    low = math.hypot(one.estimate - one.low, two.high - two.estimate)
    high = math.hypot(one.high - one.estimate, two.estimate - two.low)
    return _interval(one, two, "mover", difference - low, difference + high, df=None)


def _welch(inside: Accuracy, outside: Accuracy) -> Interval | None:
    one, two = inside.interval, outside.interval
    if one is None or two is None:
        return None
    variances = (one.standard_error**2, two.standard_error**2)
    if not sum(variances) > 0.0:
        return None
    df = sum(variances) ** 2 / sum(
        v**2 / (interval.g_star - 1.0) for v, interval in zip(variances, (one, two), strict=True)
    )
    half = t_quantile(one.level, df) * math.sqrt(sum(variances))
    difference = inside.estimate - outside.estimate
    return _interval(one, two, "welch_t", difference - half, difference + half, df=df)


def _interval(
    one: Interval, two: Interval, method: Method, low: float, high: float, *, df: float | None
) -> Interval:
    """Counts are those of both samples together; `g_star` is the smaller of the two."""
    return Interval(
        estimate=one.estimate - two.estimate,
        low=low,
        high=high,
        standard_error=math.hypot(one.standard_error, two.standard_error),
        method=method,
        level=one.level,
        n=one.n + two.n,
        clusters=one.clusters + two.clusters,
        g_star=min(one.g_star, two.g_star),
        nonzero_clusters=one.nonzero_clusters + two.nonzero_clusters,
        df=df,
    )
