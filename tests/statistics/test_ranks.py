import time
from itertools import combinations

import numpy as np
import pytest

from oodrop import UnknownNameError
from oodrop.reports.statistics import cluster_sums
from oodrop.reports.statistics.answers import ranks
from oodrop.reports.statistics.answers.ranks import rank_sets
from oodrop.reports.statistics.intervals.bands import bands
from oodrop.reports.statistics.intervals.closed import LOST_OR_GAINED


@pytest.fixture
def board(make_paired):
    """Four checkpoints at about .9, .6, .61 and .3 on 60 clusters of 8."""

    def make(accuracies=(0.6, 0.9, 0.61, 0.3), items=480, seed=3, **more):
        rng = np.random.default_rng(seed)
        hard = rng.random(items)
        level = np.array(accuracies)[:, None]
        scores = (hard + rng.normal(0, 0.2, (len(accuracies), items)) < level).astype(float)
        canonical = np.ones_like(scores)
        return make_paired(canonical, scores[:, None], np.arange(items) // 8, **more)

    return make


def test_sets_from_the_pairs(board):
    paired = board()
    got = rank_sets(paired, "v0", resamples=999)
    scores = paired.scores[:, 0]
    pairs = list(combinations(range(4), 2))
    sums = cluster_sums(
        np.array([scores[a] - scores[b] for a, b in pairs]),
        np.ones((6, 480), bool),
        paired.clusters,
    )
    found = bands(sums, [LOST_OR_GAINED] * 6, resamples=999)
    for j, rank in enumerate(got):
        better = sum(
            (b == j and i.low > 0) or (a == j and i.high < 0)
            for (a, b), i in zip(pairs, found, strict=True)
        )
        worse = sum(
            (a == j and i.low > 0) or (b == j and i.high < 0)
            for (a, b), i in zip(pairs, found, strict=True)
        )
        assert (rank.better, rank.worse) == (better, worse)
        assert (rank.best, rank.worst) == (1 + better, 4 - worse)
        assert rank.accuracy == pytest.approx(scores[j].mean())
    assert [(r.best, r.worst) for r in got] == [(2, 3), (1, 1), (2, 3), (4, 4)]
    assert [r.tie_group for r in got] == [2, 1, 2, 3]
    assert sorted(r.rank for r in got) == [1, 2, 3, 4]
    assert all(r.best <= r.rank <= r.worst for r in got)
    assert {(r.n, r.name, r.level) for r in got} == {(480, "v0", 0.95)}


def test_names_and_pools(board):
    paired = board()
    assert [(r.best, r.worst) for r in rank_sets(paired, resamples=199)] == [
        (r.best, r.worst) for r in rank_sets(paired, "lexical", resamples=199)
    ]
    with pytest.raises(UnknownNameError, match="unknown variant or family 'ordering'"):
        rank_sets(paired, "ordering")


def test_one_checkpoint(board):
    (only,) = rank_sets(board(accuracies=(0.7,)), resamples=99)
    assert (only.rank, only.best, only.worst, only.tie_group) == (1, 1, 1, 1)
    assert (only.better, only.worse) == (0, 0)


def test_equal_checkpoints_share_everything(board, make_paired):
    scores = np.tile(board().scores[:1], (3, 1, 1))
    paired = make_paired(np.ones((3, 480)), scores, np.arange(480) // 8)
    for rank in rank_sets(paired, resamples=99):
        assert (rank.rank, rank.best, rank.worst, rank.tie_group) == (1, 1, 3, 1)


def test_scores_without_bounds_or_spread_show_nothing(make_paired):
    scores = np.array([np.full(60, 5.0), np.full(60, 7.0)])[:, None]
    for rank in rank_sets(make_paired(np.full((2, 60), 9.0), scores), resamples=99):
        assert (rank.best, rank.worst) == (1, 2)


def test_all_right_against_all_wrong(make_paired):
    paired = make_paired(np.ones((2, 60)), np.array([np.ones(60), np.zeros(60)])[:, None])
    first, second = rank_sets(paired, resamples=99)
    assert (first.worst, second.best) == (1, 2)
    assert (first.tie_group, second.tie_group) == (1, 2)


def test_too_few_clusters_and_no_changed_item(make_paired):
    scores = np.array([np.ones(60), np.zeros(60)])[:, None]
    for more in ({"clusters": np.zeros(60, int)}, {"changed": np.zeros(60, bool)}):
        got = rank_sets(make_paired(np.ones((2, 60)), scores, **more), resamples=99)
        assert [(r.best, r.worst, r.tie_group) for r in got] == [(1, 2, 1)] * 2
    assert [(r.accuracy, r.rank, r.n) for r in got] == [(None, 1, 0)] * 2
    single = rank_sets(make_paired([[1.0], [0.0]], [[[1.0]], [[0.0]]]), resamples=99)
    assert [(r.best, r.worst) for r in single] == [(1, 2)] * 2


def test_averaged_scores_are_not_counted_as_pairs(make_paired):
    """A steady tenth more on 12 items: plain to CV3-t; as 1.2 pairs of 12 it would show nothing."""
    steady = 0.5 + np.random.default_rng(0).normal(0, 0.01, (2, 12))
    scores = (steady + np.array([[0.1], [0.0]]))[:, None]
    got = rank_sets(make_paired(np.ones((2, 12)), scores), resamples=99)
    assert [(r.best, r.worst) for r in got] == [(1, 1), (2, 2)]


def test_order_codes_and_reversal(board):
    paired = board()
    turn = np.random.default_rng(1).permutation(480)
    moved = type(paired)(
        **{f: getattr(paired, f) for f in ("task", "metric", "chance", "checkpoints", "variants")},
        item_ids=tuple(paired.item_ids[i] for i in turn),
        clusters=(900 - paired.clusters)[turn],
        canonical=paired.canonical[:, turn],
        scores=paired.scores[:, :, turn],
        changed=paired.changed[:, turn],
    )
    assert rank_sets(moved, resamples=99) == rank_sets(paired, resamples=99)
    reverse = board()
    reverse = type(reverse)(
        **{f: getattr(reverse, f) for f in reverse.__dataclass_fields__}
        | {"checkpoints": reverse.checkpoints[::-1]}
        | {"canonical": reverse.canonical[::-1], "scores": reverse.scores[::-1]}
    )
    assert rank_sets(reverse, resamples=99) == rank_sets(paired, resamples=99)[::-1]


def test_a_cut_needs_everyone_above_to_be_better(board):
    """A chain: neighbours cannot be told apart, the ends can. No cut, one group."""
    got = rank_sets(board(accuracies=(0.7, 0.66, 0.62, 0.58)), resamples=499)
    assert got[0].worse > 0
    assert {r.tie_group for r in got} == {1}


def test_fifty_checkpoints_take_seconds(board):
    start = time.process_time()
    got = rank_sets(board(accuracies=tuple(np.linspace(0.3, 0.9, 50)), items=2000), "v0")
    assert time.process_time() - start < 20.0
    assert got[49].worst < 20
    assert got[0].best > 30


def test_sets_hold_all_true_places_together(make_paired):
    """400 leaderboards of .8, .8, .6, .6, .6: standard error 1.1 points at 95%."""
    truth = np.array([0.8, 0.8, 0.6, 0.6, 0.6])
    rng = np.random.default_rng(9)
    held = told = 0
    for seed in range(400):
        scores = (rng.random((5, 300)) < truth[:, None]).astype(float)
        got = rank_sets(make_paired(np.ones((5, 300)), scores[:, None]), resamples=199, seed=seed)
        held += all(
            r.best <= 1 + (truth > t).sum() and r.worst >= 5 - (truth < t).sum()
            for r, t in zip(got, truth, strict=True)
        )
        told += got[0].worst == 2 and got[4].best == 3
    assert held / 400 >= 0.94
    assert told / 400 >= 0.8


def test_the_size_of_the_blocks_changes_nothing(board, monkeypatch):
    paired = board()
    whole = rank_sets(paired, "v0", resamples=199)
    monkeypatch.setattr(ranks, "_CELLS", 2 * 480)
    assert rank_sets(paired, "v0", resamples=199) == whole
