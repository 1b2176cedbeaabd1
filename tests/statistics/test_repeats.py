"""Several replies to an item: its mean is the unit inside its cluster, and that is what covers.

An item is answered k times; items differ, and so do clusters. 600 repetitions give a standard error
of .9 points at 95%. A reply counted as an item of its own leaves out what replies have in common.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from oodrop.reports.statistics import analyse, bootstrap_t, cluster_sums, cv3_t

REPS, CLUSTERS, SIZE, K = 600, 40, 5, 4
CLUSTER_SD, ITEM_SD, SHIFT_SD = 0.5, 0.8, 0.6
FIRST, SECOND = 0.9, 0.6


@pytest.fixture(scope="module")
def replies():
    """Right or wrong, float64[REPS, items, K], canonical and variant, and the true drop."""
    rng = np.random.default_rng(12)

    def effect(sd):
        by_cluster = np.repeat(rng.normal(0.0, sd, (REPS, CLUSTERS)), SIZE, axis=1)
        return by_cluster + rng.normal(0.0, ITEM_SD, (REPS, CLUSTERS * SIZE))

    common, own = effect(CLUSTER_SD), effect(SHIFT_SD)
    canonical = stats.norm.cdf(FIRST + common)
    variant = stats.norm.cdf(SECOND + common + own)
    spread = 1.0 + CLUSTER_SD**2 + ITEM_SD**2
    first = stats.norm.cdf(FIRST / np.sqrt(spread))
    second = stats.norm.cdf(SECOND / np.sqrt(spread + SHIFT_SD**2 + ITEM_SD**2))
    drawn = [
        (rng.random((REPS, CLUSTERS * SIZE, K)) < p[..., None]) * 1.0 for p in (canonical, variant)
    ]
    return *drawn, first, second


def covered(sums, truth):
    return np.mean([not cv3_t(sums, k).excludes(truth) for k in range(len(sums.sums))])


def summed(values, clusters):
    return cluster_sums(values, np.ones(values.shape, bool), clusters)


ITEM_CLUSTERS = np.repeat(np.arange(CLUSTERS), SIZE)


def test_intervals_of_item_means_cover_and_pooled_replies_do_not(replies):
    canonical, variant, first, second = replies
    difference = canonical - variant
    means = summed(difference.mean(axis=2), ITEM_CLUSTERS)
    assert 0.925 <= covered(means, first - second) <= 0.975
    boots = bootstrap_t(means, resamples=299, seed=3)
    assert 0.925 <= np.mean([not b.excludes(first - second) for b in boots]) <= 0.98
    pooled = difference.reshape(REPS, -1)
    assert covered(summed(pooled, np.arange(pooled.shape[1])), first - second) < 0.85


def test_the_accuracy_too(replies):
    canonical, _, first, _ = replies
    assert 0.925 <= covered(summed(canonical.mean(axis=2), ITEM_CLUSTERS), first) <= 0.975
    pooled = canonical.reshape(REPS, -1)
    assert covered(summed(pooled, np.arange(pooled.shape[1])), first) < 0.75


def test_more_replies_narrow_the_interval_no_further_than_the_items_allow(replies):
    canonical, variant, *_ = replies
    difference = canonical - variant
    one, four = (
        np.mean(summed(difference[:, :, :k].mean(axis=2), ITEM_CLUSTERS).cv3) for k in (1, K)
    )
    assert 1.1 < one / four < 1.6  # replies of an item that were independent items: 2


def test_pooling_inside_clusters_is_the_same(replies):
    """With as many replies to each item, nothing is won or lost by the mean."""
    canonical, variant, *_ = replies
    difference = (canonical - variant)[:5]
    means = summed(difference.mean(axis=2), ITEM_CLUSTERS)
    pooled = summed(difference.reshape(5, -1), np.repeat(ITEM_CLUSTERS, K))
    np.testing.assert_allclose(pooled.theta, means.theta, atol=1e-12)
    np.testing.assert_allclose(pooled.cv3, means.cv3, rtol=1e-9)
    np.testing.assert_allclose(pooled.g_star, means.g_star)


def test_the_analysis_takes_the_same_path(make_paired, replies):
    canonical, variant, *_ = replies
    before, after = canonical[0].mean(axis=1), variant[0].mean(axis=1)
    found = analyse(make_paired(before, after, ITEM_CLUSTERS), resamples=199)
    drop = found.drops[0]
    expected = cv3_t(summed((before - after)[None], ITEM_CLUSTERS))
    assert (drop.score.method, drop.score.df) == ("cv3_t", CLUSTERS - 1)
    assert (drop.score.low, drop.score.high) == pytest.approx((expected.low, expected.high))
    assert drop.n == CLUSTERS * SIZE
    assert (drop.lost, drop.gained) == ((before > after).sum(), (before < after).sum())
    assert found.accuracies[0].interval.method == "cv3_t"


def test_thirds_that_cancel_leave_nothing(make_paired, make_variant):
    """1 - 2/3 and 2/3 - 1 add up to nothing only where rounding is known for what it is."""
    canonical = np.full(30, 2 / 3)
    scores = np.array([np.full(30, 1 / 3), np.full(30, 1.0)])
    variants = [make_variant("a"), make_variant("b")]
    assert (2 / 3 - 1 / 3) + (2 / 3 - 1.0) != 0.0
    paired = make_paired(canonical, scores, np.arange(30) // 2, variants=variants)
    family = analyse(paired, resamples=99).drop("ckpt0", "lexical")
    assert (family.estimate, family.lost, family.gained, family.flip_rate) == (0.0, 0, 0, 1.0)
    assert "degenerate" in family.flags


def test_a_cluster_whose_items_cancel_has_no_sum():
    values = np.array([[0.1, 0.2, -0.3, 0.25]])
    assert values[0, :3].sum() != 0.0
    sums = summed(values, np.array([0, 0, 0, 1]))
    assert sums.nonzero_clusters.tolist() == [1]
    assert sums.sums.tolist() == [[0.0, 0.25]]
