"""The split drop: two samples of items, set against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from oodrop import DataError
from oodrop.reports.statistics import (
    Accuracy,
    PairedScores,
    SplitDrop,
    accuracies,
    split_drop,
    wilson,
)


def accuracy(
    right: np.ndarray, clusters: np.ndarray, *, name: str = "alpha", level: float = 0.95
) -> Accuracy:
    """The accuracy of one checkpoint from its scores, by the way that reports take."""
    paired = PairedScores(
        task="set",
        metric="acc",
        chance=0.5,
        checkpoints=(name,),
        variants=(),
        item_ids=tuple(str(i) for i in range(len(right))),
        clusters=clusters,
        canonical=right[None].astype(float),
        scores=np.empty((1, 0, len(right))),
        changed=np.empty((0, len(right)), np.bool_),
    )
    return accuracies(paired, level=level)[0]


def share(right: int, n: int, **how: object) -> Accuracy:
    """`right` of `n` items, each a cluster of its own."""
    return accuracy(np.arange(n) < right, np.arange(n), **how)  # type: ignore[arg-type]


def test_it_is_newcombes_interval_where_every_item_is_a_cluster() -> None:
    # Newcombe 1998, table II, example (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339.
    (low1, high1), (low2, high2) = wilson(56, 70), wilson(48, 80)
    low = 0.2 - math.hypot(0.8 - low1, high2 - 0.6)
    high = 0.2 + math.hypot(high1 - 0.8, 0.6 - low2)
    assert (low, high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
    found = split_drop(share(56, 70), share(48, 80))
    assert found.estimate == pytest.approx(0.2)
    assert found.score is not None
    # Student's t in place of the normal quantile widens it, the less the more clusters there are.
    assert low - 0.01 < found.score.low < low
    assert high < found.score.high < high + 0.01
    assert found.headline is found.score


def test_its_sides_are_those_of_the_accuracies() -> None:
    """Near the ceiling both accuracies have a long side down; with many clusters t is normal."""
    (low1, high1), (low2, high2) = wilson(2_970, 3_000), wilson(2_997, 3_000)
    found = split_drop(share(2_970, 3_000), share(2_997, 3_000)).score
    assert found is not None
    low = -0.009 - math.hypot(0.99 - low1, high2 - 0.999)
    high = -0.009 + math.hypot(high1 - 0.99, 0.999 - low2)
    assert found.low == pytest.approx(low, rel=2e-3)
    assert found.high == pytest.approx(high, rel=2e-3)


def test_welchs_interval_agrees_with_scipy() -> None:
    from scipy import stats

    rng = np.random.default_rng(5)
    one, two = rng.random(40) < 0.8, rng.random(55) < 0.5
    found = split_drop(*(accuracy(x, np.arange(len(x))) for x in (one, two)))
    theirs = stats.ttest_ind(one, two, equal_var=False).confidence_interval(0.95)
    assert found.welch is not None
    assert found.welch.low == pytest.approx(theirs.low, rel=1e-9)
    assert found.welch.high == pytest.approx(theirs.high, rel=1e-9)


def test_items_that_go_together_count_less() -> None:
    right, spread = np.repeat([1, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1], 10), np.arange(120)
    outside = share(60, 120)
    alone = split_drop(accuracy(right, spread), outside)
    together = split_drop(accuracy(right, spread // 10), outside)
    assert alone.score is not None
    assert together.score is not None
    assert together.estimate == alone.estimate
    assert together.score.high - together.score.low > 1.3 * (alone.score.high - alone.score.low)


def test_at_the_ceiling_there_is_still_a_width() -> None:
    found = split_drop(share(60, 60), share(60, 60))
    assert found.estimate == 0.0
    assert found.welch is None
    assert found.score is not None
    assert found.score.low < -0.03
    assert found.score.high > 0.03
    assert "degenerate" in found.flags


def test_too_few_clusters_have_no_interval() -> None:
    found = split_drop(share(60, 80), accuracy(np.arange(40) < 20, np.arange(40) // 10))
    assert found.estimate == pytest.approx(0.25)
    assert found.score is found.welch is found.headline is None
    assert found.headline_reason == "no interval: 80.0 and 4.0 effective clusters"
    assert "insufficient_clusters" in found.flags


def test_falling_to_chance_is_no_flag() -> None:
    fallen = split_drop(share(75, 80), share(40, 80))
    assert fallen.outside.uninformative
    assert fallen.flags == ()
    assert split_drop(share(40, 80), share(75, 80)).flags == ("uninformative",)


def test_two_checkpoints_have_no_split_drop() -> None:
    with pytest.raises(DataError, match="of one checkpoint; got alpha and beta"):
        split_drop(share(3, 9), share(4, 9, name="beta"))


@pytest.mark.parametrize(
    ("clusters", "size", "rates"), [(63, 20, (0.85, 0.53)), (12, 10, (0.7, 0.6))]
)
def test_both_intervals_cover(clusters: int, size: int, rates: tuple[float, float]) -> None:
    """A wider simulation (72 cells of 1,500): 0.94 or more but for clustered ceilings."""
    rng = np.random.default_rng(11)
    found = [_drawn(rng, clusters, size, rates) for _ in range(400)]
    truth = rates[0] - rates[1]
    for name in ("score", "welch"):
        intervals = [getattr(d, name) for d in found]
        covered = np.mean([i.low <= truth <= i.high for i in intervals])
        assert covered > 0.915, name  # four standard errors below 0.95
        wide = np.mean([i.high - i.low for i in intervals])
        assert wide < 2.6 * 1.96 * np.std([d.estimate for d in found]), name


def _drawn(
    rng: np.random.Generator, clusters: int, size: int, rates: tuple[float, float]
) -> SplitDrop:
    codes = np.repeat(np.arange(clusters), size)
    scores = (
        rng.random(len(codes)) < rng.beta(9.0 * p, 9.0 * (1.0 - p), clusters)[codes] for p in rates
    )
    return split_drop(*(accuracy(right, codes) for right in scores))
