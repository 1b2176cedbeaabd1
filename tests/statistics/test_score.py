import math

import numpy as np
import pytest

from oodrop import OodropError
from oodrop.reports.statistics import cluster_sums, cv3_t, score_ess, tango, wilson, wilson_ess

Z = 1.959963984540054


def newcombe(a, b, c, d):
    """Newcombe's method 10 for paired proportions, Statistics in Medicine 17 (1998) 2635-2650."""
    n = a + b + c + d

    def bounds(x):
        middle, spread = x + Z**2 / 2, Z * math.sqrt(x * (n - x) / n + Z**2 / 4)
        return (middle - spread) / (n + Z**2), (middle + spread) / (n + Z**2)

    p1, p2 = (a + b) / n, (a + c) / n
    (l1, u1), (l2, u2) = bounds(a + b), bounds(a + c)
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product:
        top = a * d - b * c
        # The published rule: reduce towards 0 by n/2 when the association is positive.
        top = max(top - n / 2, 0) if top > 0 else top
        phi = top / math.sqrt(product)
    else:
        phi = 0.0
    low = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    high = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    return p1 - p2 - math.sqrt(low), p1 - p2 + math.sqrt(high)


def sums_of(d, clusters):
    d = np.atleast_2d(np.asarray(d, float))
    return cluster_sums(d, np.ones(d.shape, bool), np.asarray(clusters))


def unclustered(b, c, n):
    return sums_of([1] * b + [-1] * c + [0] * (n - b - c), np.arange(n))


def test_tango_published():
    """Both right 1, b=1, c=7, both wrong 12 (n=21): [-.5172, -.0260], Tango 1998, Newcombe 1998."""
    assert tango(1, 7, 21) == pytest.approx((-0.5172, -0.0260), abs=5e-5)


def test_newcombe_published():
    assert newcombe(1, 1, 7, 12) == pytest.approx((-0.5069, -0.0256), abs=5e-5)


@pytest.mark.parametrize(("b", "c", "n"), [(12, 9, 300), (30, 15, 200), (0, 8, 60), (3, 3, 50)])
def test_tango_and_newcombe_are_close(b, c, n):
    right = (n - b - c) * 3 // 4
    other = newcombe(right, b, c, n - b - c - right)
    assert tango(b, c, n) == pytest.approx(other, abs=0.03)


@pytest.mark.parametrize(("b", "c", "n"), [(1, 7, 21), (0, 5, 30), (40, 2, 55.5), (0.4, 0.1, 6)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_tango_bounds_solve_its_own_equation(b, c, n, level):
    """Constrained likelihood by brute force instead of the closed form for q."""
    z = {0.8: 1.2815515655446004, 0.95: Z, 0.999: 3.2905267314918945}[level]
    for bound in tango(b, c, n, level=level):
        grid = np.linspace(max(0.0, -bound), (1 - bound) / 2, 2_000_001)[1:-1]
        # P(c) = q, P(b) = q + bound; the likelihood of the discordant pairs given the difference.
        loglik = (n - b - c) * np.log(1 - 2 * grid - bound)
        loglik += b * np.log(grid + bound) if b else 0.0
        loglik += c * np.log(grid) if c else 0.0
        q = grid[np.argmax(loglik)]
        score = (b - c - n * bound) / math.sqrt(n * (2 * q + bound * (1 - bound)))
        assert abs(score) == pytest.approx(z, abs=2e-3)


@pytest.mark.parametrize("n", [1, 5.5, 100, 1e6])
def test_tango_at_the_edges(n):
    z2 = Z**2
    assert tango(0, 0, n) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)), rel=1e-6)
    low, high = tango(n, 0, n)
    assert -1 < low < high == 1.0
    assert tango(0, n, n) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("counts", [(-1, 0, 5), (3, 3, 5), (0, 0, 0), (math.nan, 0, 5)])
def test_tango_refuses_impossible_counts(counts):
    with pytest.raises(OodropError, match="tango needs"):
        tango(*counts)


def test_wilson_published():
    """81 of 263: [.2553, .3662]; 0 of 20: [0, .1611]; 1 of 29: [.0061, .1718] (Newcombe 1998)."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    with pytest.raises(OodropError, match="wilson needs"):
        wilson(3, 2)


@pytest.mark.parametrize("level", [0.0, 1.0, -1, 95, math.nan])
def test_levels_are_checked(level):
    sums = unclustered(3, 1, 50)
    for function in (score_ess, cv3_t, wilson_ess):
        with pytest.raises(OodropError, match="confidence level"):
            function(sums, level=level)


def test_score_ess_step_by_step():
    """Every step of FIELD_NOTES part 3 by hand, on clusters that matter (deff > 1)."""
    d = np.array([1, 1, 1, 0, 0, 0] * 3 + [0] * 30 + [-1, 0, 0, 0, 0, 0])
    clusters = np.repeat(np.arange(9), 6)
    n, b, c, g_star = 54, 9, 1, 9.0
    theta = (b - c) / n
    left = [d[clusters != g].mean() for g in range(9)]
    cv3_squared = 8 / 9 * sum((x - theta) ** 2 for x in left)
    deff = cv3_squared * (n - 1) / ((b + c) / n - theta**2)
    assert deff > 1
    t = 2.3060041350333704  # t_8
    f = min(max(n / deff, g_star), n) / n * (Z / t) ** 2
    interval = score_ess(sums_of(d, clusters))
    assert interval.deff == pytest.approx(deff)
    assert (interval.df, interval.g_star, interval.nonzero_clusters) == (8.0, 9.0, 4)
    assert (interval.low, interval.high) == pytest.approx(tango(b * f, c * f, n * f), abs=1e-9)
    assert interval.method == "score_ess"
    assert interval.flags == ()


def test_deff_is_never_below_one():
    """One loss in every cluster: the clusters agree more than chance would have it."""
    interval = score_ess(sums_of([1, 0, 0] * 12, np.repeat(np.arange(12), 3)))
    assert interval.deff == 1.0
    assert interval.standard_error == 0.0
    assert interval.low < interval.estimate < interval.high


def test_degenerate_counts_only_the_clusters():
    interval = score_ess(sums_of(np.zeros(60), np.repeat(np.arange(12), 5)))
    t = 2.200985160082949  # t_11
    n = 12 * (Z / t) ** 2
    assert interval.flags == ("degenerate",)
    assert interval.high == -interval.low == pytest.approx(Z**2 / (n + Z**2))
    assert interval.deff == pytest.approx(5.0)


@pytest.mark.parametrize("clusters", [1, 2, 4])
def test_too_few_clusters_have_no_interval(clusters):
    sums = sums_of(np.tile([1.0, 0.0, 1.0, 0.0], 10), np.arange(40) % clusters)
    assert score_ess(sums) is cv3_t(sums) is wilson_ess(sums) is None


def test_cv3_t_by_hand():
    d = np.array([0.5, 0.1, -0.2, 0.3, 0.0, 0.9])
    interval = cv3_t(sums_of(d, np.arange(6)))
    half = 2.5705818366147395 * d.std(ddof=1) / math.sqrt(6)  # t_5
    assert (interval.low, interval.high) == pytest.approx((d.mean() - half, d.mean() + half))
    assert (interval.df, interval.method) == (5.0, "cv3_t")


def test_level_widens():
    sums = unclustered(20, 10, 200)
    narrow, wide = score_ess(sums, level=0.8), score_ess(sums, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
