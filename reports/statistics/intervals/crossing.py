"""Items crossed with a second sample, of templates or of training seeds: variances and t."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from oodrop.reports.statistics.numeric import Floats, root, t_quantile
from oodrop.reports.statistics.sums import ClusterSums


@dataclass(frozen=True)
class Crossing:
    """Variances of a mean over R sampled rows, or of the difference of two such means.

    `items` is the variance that other items alone would bring, `rows` the one that other rows
    alone would, `both` the part that each of them holds. `rows_df` are the degrees of freedom of
    `rows`, `g_star` the effective clusters of the items, `clusters` their number.
    """

    items: float
    rows: float
    both: float
    rows_df: float
    g_star: float
    clusters: int

    @property
    def total(self) -> float:
        """Items + rows - what both count, and never less than one of them alone."""
        return max(self.items + self.rows - self.both, self.items, self.rows)

    def half_width(self, level: float) -> float:
        """Half of the two-sided interval's width."""
        of_items = t_quantile(level, self.g_star - 1.0) ** 2
        of_rows = t_quantile(level, self.rows_df) ** 2
        both_parts = of_items * self.items + of_rows * (self.total - self.items)
        return math.sqrt(max(both_parts, of_rows * self.rows))

    def p_value(self, distance: float) -> float:
        """Two-sided p value of an estimate this far from the null: 1 - the level that reaches it.

        Below 1 - level exactly where the interval of that level leaves the null out.
        """

        def beyond(tail: float) -> float:
            return self.half_width(1.0 - tail) - abs(distance)

        least = 1e-15  # the least tail that 1 - tail can tell from 1
        if beyond(1.0 - least) >= 0.0:
            return 1.0
        return 0.0 if beyond(least) <= 0.0 else root(beyond, least, 1.0 - least)


def crossing(*samples: ClusterSums) -> Crossing:
    """The variances of one sample of rows on clusters, or of two on the same clusters.

    With d_it = theta + item_i + row_t + (item x row)_it, items in G clusters g, and a_gt =
    (S_gt - theta_t n_gt) / (N_t - n_gt) the jackknife shift of theta_t without cluster g,

        items = (G-1)/G sum_g (mean_t a_gt)^2                          CV3^2 of the mean
        rows  = sum_t (theta_t - mean)^2 / (T (T-1))
        both  = (G-1)/G sum_gt (a_gt - mean_t a_gt)^2 / (T (T-1))

    The variance of the mean is items + rows - both, since each of the first two holds the
    interaction (Cameron, Gelbach and Miller, J. Business and Economic Statistics 29 (2011); Owen,
    Annals of Applied Statistics 1 (2007) for the crossed bootstrap). For the difference of two
    samples, drawn independently, `items` takes the difference of the two mean shifts of a cluster,
    `rows` and `both` add up, and the degrees of freedom of `rows` are Welch's. A sample of one row
    brings no variance of rows.
    """
    middles, rows, freedom, both = [], [], [], 0.0
    clusters = int(np.count_nonzero(np.vstack([s.sizes for s in samples]).sum(axis=0)))
    factor = (clusters - 1.0) / clusters
    for sums in samples:
        count = len(sums.sums)
        shifts = _shifts(sums)
        middle = shifts.mean(axis=0)
        middles.append(middle)
        if count > 1:
            pairs = count * (count - 1.0)
            rows.append(float(((sums.theta - sums.theta.mean()) ** 2).sum()) / pairs)
            freedom.append(count - 1.0)
            both += factor * float(((shifts - middle) ** 2).sum()) / pairs
    apart = middles[0] - middles[1] if len(middles) == 2 else middles[0]
    weights = np.vstack([s.sizes / s.n[:, None] for s in samples]).mean(axis=0)
    return Crossing(
        items=factor * float((apart**2).sum()),
        rows=math.fsum(rows),
        both=both,
        rows_df=_welch(rows, freedom),
        g_star=1.0 / float((weights**2).sum()),
        clusters=clusters,
    )


def _shifts(sums: ClusterSums) -> Floats:
    """float64[T, G]: how far each estimate moves without each cluster, sign turned."""
    rest = sums.n[:, None] - sums.sizes
    return np.divide(sums.residuals, rest, out=np.zeros_like(rest), where=rest > 0.0)


def _welch(variances: list[float], freedom: list[float]) -> float:
    """Degrees of freedom of a sum of variances (Welch, Biometrika 34 (1947) 28-35)."""
    below = math.fsum(v**2 / f for v, f in zip(variances, freedom, strict=True))
    return math.fsum(variances) ** 2 / below if below > 0.0 else min(freedom, default=1.0)
