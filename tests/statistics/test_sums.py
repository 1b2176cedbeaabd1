import numpy as np
import pytest

from oodrop import DataError
from oodrop.reports.statistics import cluster_sums


def one(d, clusters, mask=None):
    d = np.atleast_2d(np.asarray(d, float))
    mask = np.ones(d.shape, bool) if mask is None else np.atleast_2d(mask)
    return cluster_sums(d, mask, np.asarray(clusters))


def inspect_ai_stderr(values, clusters):
    """The clustered `stderr` of inspect_ai, src/inspect_ai/scorer/_metrics/std.py, from its text:

    sum over clusters of all products of residuals, times C/(C-1), root, over the item count.
    """
    residual = values - values.mean()
    names = set(clusters.tolist())
    total = sum(
        a * b
        for name in names
        for a in residual[clusters == name]
        for b in residual[clusters == name]
    )
    return np.sqrt(total * len(names) / (len(names) - 1)) / len(values)


def jackknife(values, clusters):
    names = np.unique(clusters)
    left = np.array([values[clusters != g].mean() for g in names])
    return np.sqrt((len(names) - 1) / len(names) * ((left - values.mean()) ** 2).sum())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("whole", [True, False])
def test_standard_errors_against_other_implementations(seed, whole):
    rng = np.random.default_rng(seed)
    n, g = int(rng.integers(20, 200)), int(rng.integers(2, 20))
    d = rng.integers(-1, 2, n).astype(float) if whole else rng.normal(size=n)
    clusters = np.r_[np.arange(g), rng.integers(0, g, n - g)]
    sums = one(d, clusters)
    assert sums.theta[0] == pytest.approx(d.mean(), abs=1e-12)
    assert sums.cr1[0] == pytest.approx(inspect_ai_stderr(d, clusters), abs=1e-12)
    assert sums.cv3[0] == pytest.approx(jackknife(d, clusters), abs=1e-12)


def test_one_item_per_cluster_is_the_ordinary_standard_error():
    d = np.random.default_rng(0).normal(size=30)
    sums = one(d, np.arange(30))
    ordinary = d.std(ddof=1) / np.sqrt(30)
    assert sums.cr1[0] == pytest.approx(ordinary)
    assert sums.cv3[0] == pytest.approx(ordinary)


def test_counts():
    sums = one([1, -1, 0, 1, 1, 0, 7], [4, 4, 4, 8, 8, 9, 9], [True] * 6 + [False])
    assert sums.sums.tolist() == [[0, 2, 0]]
    assert sums.sizes.tolist() == [[3, 2, 1]]
    assert (sums.n[0], sums.clusters[0], sums.nonzero_clusters[0]) == (6, 3, 1)
    assert (sums.positive[0], sums.negative[0], sums.squares[0]) == (3, 1, 4)
    assert (sums.above[0], sums.below[0]) == (3, 1)
    assert sums.g_star[0] == pytest.approx(36 / 14)


def test_effective_clusters_equal_clusters_of_equal_size():
    assert one(np.ones(270), np.repeat(np.arange(30), 9)).g_star[0] == 30.0


def test_clusters_outside_the_mask_do_not_count():
    d, clusters = np.array([1.0, 0, 1, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    mask = clusters != 1
    with_empty, without = one(d, clusters, mask), one(d[mask], clusters[mask])
    for name in ("n", "theta", "clusters", "g_star", "cr1", "cv3"):
        assert getattr(with_empty, name)[0] == getattr(without, name)[0]


def test_undefined_is_nan_here_and_only_here():
    empty = one([np.nan, np.nan], [0, 1], [False, False])
    assert np.isnan([empty.theta[0], empty.cr1[0], empty.cv3[0]]).all()
    assert (empty.n[0], empty.g_star[0], empty.clusters[0]) == (0, 0, 0)
    single = one([1.0, 0.0], [3, 3])
    assert (single.theta[0], single.g_star[0]) == (0.5, 1.0)
    assert np.isnan([single.cr1[0], single.cv3[0]]).all()


def test_rounding_is_not_spread():
    sums = one(np.full(90, 0.1), np.repeat(np.arange(10), 9))
    assert sums.cr1[0] == sums.cv3[0] == 0.0


def test_nan_under_the_mask_is_refused():
    with pytest.raises(DataError, match="column 0, item 1"):
        one([0.0, np.nan], [0, 1])


def test_shapes_are_checked():
    with pytest.raises(DataError, match="K x I"):
        cluster_sums(np.zeros(3), np.ones(3, bool), np.arange(3))
    with pytest.raises(DataError, match="one cluster for each item"):
        cluster_sums(np.zeros((1, 3)), np.ones((1, 3), bool), np.arange(2))
