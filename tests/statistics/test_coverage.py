"""Do the intervals hold what they promise? Short simulations with bounds that are honest.

2,000 repetitions give a standard error of .5 points at 95%: the bounds leave three of them and
what FIELD_NOTES part 3 reports as the methods' own deviation. Wrong formulas miss by more: a
document-level interval covers about 80% here.
"""

import numpy as np
import pytest

from oodrop.reports.statistics import Evidence, bootstrap_t, cluster_sums, headline, score_ess

REPS = 2000


def covered(intervals, truth):
    return np.mean([not i.excludes(truth) for i in intervals])


@pytest.fixture(scope="module")
def run(simulate):
    """Columns are repetitions; one weight matrix serves them all, as it does in an analysis."""

    def compute(clusters, first, second, icc=0.3, seed=20):
        canonical, variant, codes = simulate(REPS, clusters, 9, first, second, icc, seed)
        d = canonical - variant
        sums = cluster_sums(d, np.ones(d.shape, bool), codes)
        boots = bootstrap_t(sums, resamples=999, seed=1)
        scores = [score_ess(sums, k) for k in range(REPS)]
        moved = (sums.above + sums.below).tolist()
        auto = [
            headline(b, s, Evidence(d.shape[1], float(sums.g_star[k]), moved[k], True)).interval
            for k, (b, s) in enumerate(zip(boots, scores, strict=True))
        ]
        return boots, scores, auto

    return compute


def test_regular_cell(run):
    """50 clusters of 9, accuracy .83 and .78, ICC .3: the bootstrap leads."""
    boots, scores, auto = run(50, 0.83, 0.78)
    assert {i.method for i in auto} == {"bootstrap_t"}
    assert 0.935 <= covered(auto, 0.05) <= 0.97
    assert 0.935 <= covered(scores, 0.05) <= 0.98
    # Tight enough to be of use: not much wider than the normal interval of the true error.
    error = np.std([i.estimate for i in auto])
    for intervals in (boots, scores):
        width = np.mean([i.high - i.low for i in intervals])
        assert width == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_few_clusters(run):
    """12 clusters of 9: the score interval leads."""
    _, _, auto = run(12, 0.83, 0.78)
    assert {i.method for i in auto} == {"score_ess"}
    assert 0.935 <= covered(auto, 0.05) <= 0.985


def test_near_the_ceiling(run):
    """40 clusters of 9 at .98 and .97: few discordant pairs, mostly the score interval."""
    _, _, auto = run(40, 0.98, 0.97)
    assert 0.925 <= covered(auto, 0.01) <= 0.995


def test_no_true_drop_is_rarely_called_one(run):
    _, _, auto = run(40, 0.8, 0.8, seed=21)
    assert 0.02 <= 1 - covered(auto, 0.0) <= 0.07
