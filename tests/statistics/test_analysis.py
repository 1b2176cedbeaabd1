import dataclasses

import numpy as np
import pytest

from oodrop import OodropError, UnknownNameError
from oodrop.reports.statistics import NoiseFloor, accuracies, analyse


@pytest.fixture
def paired(make_paired, make_variant):
    rng = np.random.default_rng(8)
    variants = [
        make_variant("typo"),
        make_variant("shuffle", family="ordering"),
        make_variant("again", "control.rerun", "control"),
    ]
    changed = rng.random((3, 240)) < 0.8
    changed[2] = True
    canonical, scores = rng.integers(0, 2, (2, 240)), rng.integers(0, 2, (2, 3, 240)) * 1.0
    scores[:, ~changed] = np.nan
    return make_paired(canonical, scores, rng.integers(0, 40, 240), changed, variants)


def shuffled(paired, order, clusters=None):
    clusters = paired.clusters if clusters is None else clusters
    return dataclasses.replace(
        paired,
        item_ids=tuple(paired.item_ids[k] for k in order),
        clusters=clusters[order],
        canonical=paired.canonical[:, order],
        scores=paired.scores[:, :, order],
        changed=paired.changed[:, order],
    )


def test_contents_and_order(paired):
    analysis = analyse(paired, resamples=199)
    assert [(d.checkpoint, d.name) for d in analysis.drops] == [
        ("ckpt0", "typo"), ("ckpt0", "shuffle"), ("ckpt0", "again"),
        ("ckpt1", "typo"), ("ckpt1", "shuffle"), ("ckpt1", "again"),
        ("ckpt0", "lexical"), ("ckpt0", "ordering"),
        ("ckpt1", "lexical"), ("ckpt1", "ordering"),
    ]  # fmt: skip
    assert analysis.accuracies == accuracies(paired)
    assert (analysis.task, analysis.metric, analysis.chance) == ("procedural", "acc", 0.5)
    assert (analysis.resamples, analysis.seed, analysis.level) == (199, 2026, 0.95)
    assert analysis.interval == "auto"


def test_look_up(paired):
    analysis = analyse(paired, resamples=199)
    assert analysis.drop("ckpt1", "shuffle") is analysis.drops[4]
    assert analysis.drop("ckpt1", "ordering") is analysis.drops[9]
    with pytest.raises(UnknownNameError, match=r"unknown checkpoint 'ckpt9'"):
        analysis.drop("ckpt9", "typo")
    with pytest.raises(UnknownNameError, match=r"unknown variant or family 'typos'.*typo"):
        analysis.drop("ckpt0", "typos")


def test_order_of_items_and_names_of_clusters_do_not_matter(paired):
    rng = np.random.default_rng(1)
    order, codes = rng.permutation(240), rng.permutation(1000)[:40]
    settings = {"resamples": 499, "seed": 3}
    expected = analyse(paired, **settings)
    assert analyse(shuffled(paired, order), **settings) == expected
    relabelled = shuffled(paired, order, codes[paired.clusters])
    assert analyse(relabelled, **settings) == expected


def test_order_does_not_matter_for_fractions_either(paired):
    scores = paired.scores * 0.1 + 0.03
    fractions = dataclasses.replace(paired, scores=scores, canonical=paired.canonical * 0.7)
    order = np.random.default_rng(1).permutation(240)
    assert analyse(shuffled(fractions, order), resamples=199) == analyse(fractions, resamples=199)


def test_settings_reach_the_intervals(paired):
    drop = analyse(paired, resamples=99, seed=5, level=0.8, interval="score").drops[0]
    assert (drop.bootstrap.resamples, drop.bootstrap.seed, drop.bootstrap.level) == (99, 5, 0.8)
    assert drop.headline is drop.score
    assert drop.score.level == 0.8


def test_noise_floor(make_paired, make_variant):
    variants = [make_variant("r1", "control.rerun", "control"), make_variant("typo")]
    canonical = np.array([[1, 1, 0, 0], [1, 1, 1, 1]])
    scores = np.stack([np.array([[1, 0, 1, 0], [1, 1, 1, 1]]), np.zeros((2, 4))], axis=1)
    floors = analyse(make_paired(canonical, scores, variants=variants), resamples=99).noise_floor
    assert floors == (NoiseFloor("ckpt0", 0.5, 2, 4, 0.5), NoiseFloor("ckpt1", 0.0, 0, 4, 0.0))


def test_noise_floor_pools_reruns_and_is_none_without(make_paired, make_variant):
    variants = [make_variant(s, "control.rerun", "control") for s in ("r1", "r2")]
    paired = make_paired([1, 1], [[1, 0], [1, 1]], variants=variants)
    assert analyse(paired, resamples=99).noise_floor == (NoiseFloor("ckpt0", 0.25, 1, 4, 0.25),)
    assert analyse(make_paired([1, 1], [1, 0]), resamples=99).noise_floor == (None,)


def test_noise_floor_of_probabilities_is_how_far_they_move(make_paired, make_variant):
    variants = [make_variant("r1", "control.rerun", "control")]
    paired = make_paired([0.5, 0.25, 1.0, 0.0], [0.5, 0.75, 0.75, 0.0], variants=variants)
    (floor,) = analyse(paired, resamples=99).noise_floor
    assert floor == NoiseFloor("ckpt0", 0.5, 2, 4, (0.5 + 0.25) / 4)


def test_noise_floor_of_scores_without_bounds_is_the_share_that_moves(make_paired, make_variant):
    variants = [make_variant("r1", "control.rerun", "control")]
    paired = make_paired([5.0, 250.0], [5.0, 251.0], variants=variants)
    assert analyse(paired, resamples=99).noise_floor == (NoiseFloor("ckpt0", 0.5, 1, 2, 0.5),)


def test_no_variants(make_paired):
    analysis = analyse(make_paired([1, 0, 1], np.zeros((1, 0, 3))))
    assert analysis.drops == ()
    assert len(analysis.accuracies) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interval": "bca"}, "one of auto, bootstrap, score; got 'bca'"),
        ({"level": 95}, "confidence level"),
        ({"resamples": 3}, "at least 19 resamples"),
        ({"seed": -4}, "seed"),
    ],
)
def test_impossible_settings(paired, settings, message):
    with pytest.raises(OodropError, match=message):
        analyse(paired, **settings)


def test_frozen_own_values(paired):
    """Our own numbers, not a truth: they change only when a formula or numpy's stream does."""
    analysis = analyse(paired, resamples=999)
    drop = analysis.drop("ckpt0", "typo")
    got = (drop.estimate, drop.bootstrap.low, drop.bootstrap.high, drop.score.low, drop.score.high)
    assert got == pytest.approx(FROZEN, abs=1e-9)


FROZEN = (
    0.06666666666666667,
    -0.04960692655814619,
    0.18294025989147952,
    -0.04342683787779876,
    0.175138913634666,
)
