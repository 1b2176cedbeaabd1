"""What a sample could see: smallest detectable drop, items needed, chances of a gate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from oodrop import OodropError
from oodrop.reports.statistics.intervals.closed import Values
from oodrop.reports.statistics.intervals.interval import MIN_CLUSTERS, Interval
from oodrop.reports.statistics.intervals.lumps import lump_interval
from oodrop.reports.statistics.numeric import ROUNDING, root, t_cdf, t_quantile
from oodrop.reports.statistics.sums import ClusterSums


@dataclass(frozen=True)
class Chances:
    """Probabilities of the three verdicts of a gate; they add up to 1."""

    pass_: float
    fail: float
    inconclusive: float


def mde(
    *,
    items: float,
    accuracy: float,
    correlation: float = 0.5,
    icc: float = 0.0,
    cluster_size: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
    sided: int = 2,
) -> float:
    """Smallest drop, as a share, that a test of "no drop" finds with probability `power`.

    Solves D = (t_{1-alpha/sided} + t_power) sqrt(V(D) deff / items) with p1 = accuracy,
    p2 = accuracy - D, q = 1 - p and

        V(D) = p1 q1 + p2 q2 - 2 correlation sqrt(p1 q1 p2 q2),   deff = 1 + (cluster_size - 1) icc,

    t of items / cluster_size - 1 degrees of freedom. V is at least D (1 - D), the variance of
    paired right and wrong answers that are only ever lost: a greater `correlation` is impossible.
    `correlation` is that of the two answers to an item, `icc` that of the differences within a
    cluster. Source: Connor, Biometrics 43 (1987) 207-211, for paired proportions; Kish, Survey
    Sampling (1965), section 5.4, for the design effect. Assumes clusters of about equal size and an
    estimate that is about normal.

    Raises OodropError for settings that are impossible, or where not even a drop to 0 is found.
    """
    _check_plan(accuracy, correlation, icc, cluster_size)
    check_risks(alpha, power, sided)
    df = items / cluster_size - 1.0
    if df < MIN_CLUSTERS - 1.0:
        raise OodropError(
            f"a plan needs at least {MIN_CLUSTERS:.0f} clusters; got {items} items in clusters of "
            f"{cluster_size:g}"
        )
    scale = quantiles(df, alpha, power, sided) * math.sqrt(_deff(icc, cluster_size) / items)

    def missing(drop: float) -> float:
        return drop - scale * math.sqrt(_variance(accuracy, drop, correlation))

    if missing(accuracy) < 0.0:
        raise OodropError(
            f"{items} items find no drop from an accuracy of {accuracy:g} with power {power:g}, "
            "not even one to 0"
        )
    # Just above 0, where sqrt(V(D)) is never the smaller of the two.
    return root(missing, min(1e-12, accuracy / 2.0), accuracy)


def required_items(
    *,
    margin: float,
    accuracy: float,
    correlation: float = 0.5,
    icc: float = 0.0,
    cluster_size: float = 1.0,
    drop: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """Fewest items with which a gate of `margin` passes a true `drop` with probability `power`.

    The least n with (t_{1-alpha} + t_power) sqrt(V(drop) deff / n) <= margin - drop: V, deff, the
    degrees of freedom and the sources as in `mde`. One-sided, as the gate is. Never below five
    clusters, where there is no verdict.

    Raises OodropError for settings that are impossible or a margin that is not above the drop.
    """
    _check_plan(accuracy, correlation, icc, cluster_size)
    check_risks(alpha, power, 1)
    if not 0.0 <= drop <= accuracy:
        raise OodropError(f"the true drop must lie between 0 and {accuracy:g}; got {drop}")
    if not drop < margin < 1.0:
        raise OodropError(f"the margin must lie between the drop, {drop:g}, and 1; got {margin}")
    needed = _variance(accuracy, drop, correlation) * _deff(icc, cluster_size)

    def enough(items: int) -> bool:
        reach = quantiles(items / cluster_size - 1.0, alpha, power, 1)
        return reach * math.sqrt(needed / items) <= margin - drop

    low = math.ceil(MIN_CLUSTERS * cluster_size)
    high = low
    while not enough(high):
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


def planned_error(
    *,
    items: float,
    accuracy: float,
    drop: float = 0.0,
    correlation: float = 0.5,
    icc: float = 0.0,
    cluster_size: float = 1.0,
) -> float:
    """Standard error that so many items would give: sqrt(V(drop) deff / items), as in `mde`.

    For `gate_chances`, with items / cluster_size - 1 degrees of freedom.

    Raises OodropError for settings that are impossible.
    """
    _check_plan(accuracy, correlation, icc, cluster_size)
    if not (items > 0.0 and 0.0 <= drop <= accuracy):
        raise OodropError(
            f"a plan needs items and a true drop from 0 to {accuracy:g}; got {items} and {drop}"
        )
    variance = _variance(accuracy, drop, correlation)
    return math.sqrt(variance * _deff(icc, cluster_size) / items)


def icc(sums: ClusterSums, column: int = 0) -> float | None:
    """Intraclass correlation of a column's item values: the one-way ANOVA estimator.

    (MSB - MSW) / (MSB + (n0 - 1) MSW) with n0 = (N - sum n_g^2 / N) / (G - 1). It lies in
    [-1/(n0 - 1), 1] and is below 0 where clusters agree more than chance would have it. None with
    fewer than two clusters, with one item in every cluster, or where nothing varies.
    Source: Donner, International Statistical Review 54 (1986) 67-82, section 2.
    """
    has = sums.sizes[column] > 0.0
    n, g = float(sums.n[column]), int(sums.clusters[column])
    if g < 2 or n <= g:
        return None
    sizes, totals = sums.sizes[column][has], sums.sums[column][has]
    squares = float(sums.squares[column])
    within = max(squares - float((totals**2 / sizes).sum()), 0.0)
    within = within / (n - g) if within > ROUNDING * squares else 0.0
    between = float((sums.residuals[column][has] ** 2 / sizes).sum()) / (g - 1)
    n0 = (n - float((sizes**2).sum()) / n) / (g - 1)
    total = between + (n0 - 1.0) * within
    if not total > 0.0:
        return None
    return float(np.clip((between - within) / total, -1.0 / (n0 - 1.0), 1.0))


def standard_error(sums: ClusterSums, column: int, interval: Interval) -> float:
    """The standard error that the column's `interval` amounts to, never 0.

    The greater of CV3 and half the interval's width in units of its t quantile, G* - 1 degrees of
    freedom. For CV3-t both are the same; a score interval has a width even where nothing varies,
    and CV3 is then 0.
    """
    quantile = t_quantile(interval.level, interval.g_star - 1.0)
    return max(float(sums.cv3[column]), (interval.high - interval.low) / (2.0 * quantile))


def detectable(
    sums: ClusterSums,
    column: int,
    values: Values,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    sided: int = 2,
) -> float | None:
    """What this data could have seen: (t_{1-alpha/sided} + t_power) times `standard_error`.

    The standard error is that of `lump_interval` at level 1 - 2 alpha / sided.

    In the unit of the values: the true difference that a test of "none" finds with probability
    `power`; for `sided` 1 also the smallest margin that a candidate without any loss passes with
    that probability. None where there is no interval.

    Raises OodropError for impossible risks.
    """
    check_risks(alpha, power, sided)
    interval = lump_interval(sums, column, values, level=1.0 - 2.0 * alpha / sided)
    if interval is None:
        return None
    reach = quantiles(interval.g_star - 1.0, alpha, power, sided)
    return reach * standard_error(sums, column, interval)


def gate_chances(
    *, loss: float, margin: float, standard_error: float, df: float, alpha: float = 0.05
) -> Chances:
    """How likely a gate is to pass, to fail and to say neither, at a given true `loss`.

    P(PASS) = P(T <= (margin - loss)/se - t_{1-alpha}), P(FAIL) the same with the sign of the
    distance turned, T of Student's t with `df` degrees of freedom. It agrees with `required_items`
    and `detectable`, whose (t_{1-alpha} + t_power) se it inverts; the noncentral t, exact for
    normal estimates, differs from it by at most 2.3 points at 10 df, 1.1 at 20 and 0.7 at 30.

    Raises OodropError for an impossible alpha, standard error or df.
    """
    check_risks(alpha, 0.5, 1)
    if not (0.0 < standard_error < math.inf and df > 0.0):
        raise OodropError(
            f"a gate's chances need a standard error and df above 0; got {standard_error} and {df}"
        )
    distance = (margin - loss) / standard_error
    limit = t_quantile(1.0 - 2.0 * alpha, df)
    passes, fails = t_cdf(distance - limit, df), t_cdf(-distance - limit, df)
    return Chances(passes, fails, max(0.0, 1.0 - passes - fails))


def check_risks(alpha: float, power: float, sided: int) -> None:
    """Raise OodropError unless 0 < alpha < .5, 0 < power < 1 and `sided` is 1 or 2."""
    if not 0.0 < alpha < 0.5:
        raise OodropError(f"alpha must lie between 0 and 0.5, exclusive; got {alpha}")
    if not 0.0 < power < 1.0:
        raise OodropError(f"power must lie between 0 and 1, exclusive; got {power}")
    if sided not in (1, 2):
        raise OodropError(f"a test is 1-sided or 2-sided; got {sided}")


def quantiles(df: float, alpha: float, power: float, sided: int) -> float:
    """t_{1-alpha/sided} + t_power of Student's t."""
    return t_quantile(1.0 - 2.0 * alpha / sided, df) + t_quantile(2.0 * power - 1.0, df)


def _check_plan(accuracy: float, correlation: float, icc: float, cluster_size: float) -> None:
    if not 0.0 < accuracy <= 1.0:
        raise OodropError(f"accuracy must lie in (0, 1]; got {accuracy}")
    if not -1.0 <= correlation <= 1.0:
        raise OodropError(f"correlation must lie in [-1, 1]; got {correlation}")
    if not 0.0 <= icc <= 1.0:
        raise OodropError(f"icc must lie in [0, 1]; got {icc}")
    if not 1.0 <= cluster_size < math.inf:
        raise OodropError(f"a cluster holds at least one item; got {cluster_size}")


def _variance(accuracy: float, drop: float, correlation: float) -> float:
    one, two = accuracy * (1.0 - accuracy), (accuracy - drop) * (1.0 - accuracy + drop)
    found = one + two - 2.0 * correlation * math.sqrt(max(one * two, 0.0))
    return max(found, drop * (1.0 - drop))


def _deff(icc: float, cluster_size: float) -> float:
    return 1.0 + (cluster_size - 1.0) * icc
