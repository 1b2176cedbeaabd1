import numpy as np
import pytest

from oodrop.reports.statistics import accuracies, wilson


def of(make_paired, canonical, clusters=None, level=0.95, **more):
    return accuracies(make_paired(canonical, canonical, clusters, **more), level=level)[0]


def test_unclustered_binary_is_wilson_with_t(make_paired):
    got = of(make_paired, [1] * 80 + [0] * 20)
    share = (1.959963984540054 / 1.9842169515086827) ** 2  # z / t_99
    assert got.estimate == 0.8
    assert (got.interval.low, got.interval.high) == pytest.approx(wilson(80 * share, 100 * share))
    assert got.interval.deff == pytest.approx(1.0)
    assert got.above_chance
    assert got.flags == ()


def test_clusters_widen(make_paired):
    canonical = np.repeat([1.0, 0.0, 1.0, 1.0, 1.0] * 8, 5)
    flat, clustered = of(make_paired, canonical), of(make_paired, canonical, np.arange(200) // 5)
    assert clustered.interval.deff == pytest.approx(5.0, rel=0.05)
    width = [a.interval.high - a.interval.low for a in (flat, clustered)]
    assert width[1] > 2 * width[0]


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("clusters", [5, 60])
def test_all_right_and_all_wrong_keep_a_width_inside_0_1(make_paired, value, clusters):
    got = of(make_paired, np.full(60, value), np.arange(60) % clusters)
    assert 0 <= got.interval.low < got.interval.high <= 1
    assert got.interval.low <= got.estimate == value <= got.interval.high
    assert "degenerate" in got.flags


@pytest.mark.parametrize(
    ("right", "above"), [(50, False), (59, False), (61, True), (90, True), (10, False)]
)
def test_above_chance(make_paired, right, above):
    got = of(make_paired, [1] * right + [0] * (100 - right))
    assert got.above_chance is above
    assert got.uninformative is not above
    assert ("uninformative" in got.flags) is not above


def test_above_chance_is_judged_at_95_whatever_the_level(make_paired):
    canonical = [1] * 61 + [0] * 39
    wide = of(make_paired, canonical, level=0.999)
    assert wide.interval.low < 0.5
    assert wide.interval.level == 0.999
    assert wide.above_chance
    assert not of(make_paired, [1] * 57 + [0] * 43, level=0.5).above_chance


@pytest.mark.parametrize("clusters", [1, 4])
def test_too_few_clusters_are_uninformative(make_paired, clusters):
    got = of(make_paired, np.ones(40), np.arange(40) % clusters)
    assert got.interval is None
    assert got.flags == ("insufficient_clusters", "uninformative")
    assert got.estimate == 1.0


def test_few_clusters_are_labelled(make_paired):
    assert "low_information" in of(make_paired, [1, 0] * 30, np.arange(60) % 12).flags


def test_single_item(make_paired):
    got = of(make_paired, [1])
    assert (got.estimate, got.n, got.clusters, got.interval) == (1.0, 1, 1, None)


def test_continuous_scores_use_cv3_inside_0_1(make_paired):
    scores = np.r_[np.ones(18), 0.2, 0.99]
    got = of(make_paired, scores)
    assert got.interval.method == "cv3_t"
    assert got.interval.low < got.estimate < got.interval.high == 1.0


def test_constant_bounded_scores_keep_a_width(make_paired):
    got = of(make_paired, np.full(30, 0.3), chance=0.0)
    assert got.interval.method == "score_ess"
    assert 0 < got.interval.low < 0.3 < got.interval.high < 1
    assert got.flags == ("degenerate",)


def test_unbounded_scores(make_paired):
    assert of(make_paired, np.full(30, 7.0)).interval is None
    assert of(make_paired, np.arange(30.0)).interval.method == "cv3_t"
