import math
import random

import numpy as np
import pytest

from oodrop import DataError, OodropError, UnknownNameError
from oodrop.reports.statistics import bootstrap_t, cluster_sums, cluster_weights, score_ess
from oodrop.reports.statistics.intervals.bands import bands, drop_bands, joint_bands
from oodrop.reports.statistics.intervals.bootstrap import largest_distances, replicates
from oodrop.reports.statistics.intervals.closed import LOST_OR_GAINED, Values, closed_interval

WHOLE = LOST_OR_GAINED
FREE = Values(math.inf, signed=True, whole=False)


def sums_of(d, clusters, mask=None):
    d = np.atleast_2d(np.asarray(d, float))
    mask = np.ones(d.shape, bool) if mask is None else np.atleast_2d(mask)
    return cluster_sums(d, mask, np.asarray(clusters))


def bounds(intervals):
    return [None if i is None else (i.low, i.high) for i in intervals]


@pytest.fixture
def three():
    """Three columns of -1, 0, 1 in 50 clusters of 9, the last one on a subset."""
    rng = np.random.default_rng(5)
    clusters = np.arange(450) // 9
    shared = rng.integers(-1, 2, 450) * (rng.random(450) < 0.4)
    d = np.array([np.where(rng.random(450) < 0.6, shared, rng.integers(-1, 2, 450))] * 3, float)
    d[1] = np.where(rng.random(450) < 0.5, d[0], 0)
    mask = np.array([[True] * 450, [True] * 450, clusters > 9])
    return sums_of(d, clusters, mask)


def test_against_plain_python():
    """Max-t as its definition reads, on the draws that the module makes."""
    draw = random.Random(3)
    clusters = [k // 4 for k in range(160)]
    d = [[draw.choice([-1, 0, 1]) for _ in clusters] for _ in range(2)]
    weights = np.concatenate(list(cluster_weights(40, 199, 8)))

    def studentize(x, w):
        sums = [sum(x[4 * g : 4 * g + 4]) for g in range(40)]
        drawn = [s for s, times in zip(sums, w, strict=True) for _ in range(times)]
        theta = sum(drawn) / (4 * len(drawn))
        spread = sum((s - 4 * theta) ** 2 for s in drawn)
        return theta, math.sqrt(40 / 39 * spread) / (4 * len(drawn))

    own = [studentize(x, [1] * 40) for x in d]
    largest = sorted(
        max(
            abs(theta - own[k][0]) / error
            for k, (theta, error) in enumerate(studentize(x, w) for x in d)
        )
        for w in weights
    )
    q = largest[math.ceil(0.9 * 200) - 1]
    got = bands(sums_of(d, clusters), [WHOLE] * 2, resamples=199, seed=8, level=0.9)
    for interval, (theta, error) in zip(got, own, strict=True):
        assert interval.method == "max_t"
        assert interval.standard_error == pytest.approx(error)
        assert (interval.low, interval.high) == pytest.approx(
            (theta - q * error, theta + q * error), abs=1e-9
        )
        assert (interval.level, interval.resamples, interval.seed) == (0.9, 199, 8)
        assert interval.flags == ("simultaneous",)


def test_one_column_is_the_bootstrap_t(three):
    one = type(three)(*(getattr(three, f)[[1]] for f in three.__dataclass_fields__))
    (band,), (alone,) = bands(one, [WHOLE], resamples=999), bootstrap_t(one, resamples=999)
    assert (band.low, band.high) == (alone.low, alone.high)


def test_wider_than_each_alone_and_narrower_than_bonferroni(three):
    together = bands(three, [WHOLE] * 3, resamples=4999)
    alone = bootstrap_t(three, resamples=4999)
    bonferroni = bootstrap_t(three, resamples=4999, level=1 - 0.05 / 3)
    for a, t, b in zip(alone, together, bonferroni, strict=True):
        assert a.low > t.low >= b.low * 1.02 - 0.02 * b.estimate
    # The same column three times needs no correction.
    same = type(three)(*(getattr(three, f)[[0, 0, 0]] for f in three.__dataclass_fields__))
    assert bounds(bands(same, [WHOLE] * 3, resamples=999)) == bounds(
        bootstrap_t(same, resamples=999)
    )


def test_bonferroni_is_the_closed_interval_at_its_share(three):
    got = bands(three, [WHOLE] * 3, method="bonferroni", level=0.9)
    for k, interval in enumerate(got):
        closed = score_ess(three, k, level=1 - 0.1 / 3)
        assert (interval.low, interval.high) == (closed.low, closed.high)
        assert (interval.method, interval.level) == ("score_ess", 0.9)
        assert interval.flags == ("simultaneous",)


def test_mixed_methods_share_the_error():
    """Two columns for the bootstrap, one with few items that moved, one without an interval."""
    rng = np.random.default_rng(1)
    clusters = np.arange(400) // 8
    d = rng.integers(-1, 2, (4, 400)).astype(float)
    d[2] = 0
    d[2, :15] = 1
    mask = np.array([[True] * 400] * 3 + [clusters < 4])
    sums = sums_of(d, clusters, mask)
    got = bands(sums, [WHOLE] * 4, resamples=1999)
    assert [i and i.method for i in got] == ["max_t", "max_t", "score_ess", None]
    few = score_ess(sums, 2, level=1 - 0.05 / 3)
    assert (got[2].low, got[2].high) == (few.low, few.high)
    # A column without an interval makes no claim: three claims, two of them by max-t.
    first = type(sums)(*(getattr(sums, f)[:2] for f in sums.__dataclass_fields__))
    expected = bands(first, [WHOLE] * 2, resamples=1999, level=1 - 0.05 * 2 / 3)
    assert bounds(got[:2]) == bounds(expected)


def test_groups_are_separate_calls_on_the_same_draws(three):
    rows = [0, 1, 2, 1]
    sums = type(three)(*(getattr(three, f)[rows] for f in three.__dataclass_fields__))
    got = bands(sums, [WHOLE] * 4, groups=np.array([9, 4, 9, 4]), resamples=499)
    for members in ([0, 2], [1, 3]):
        part = type(sums)(*(getattr(sums, f)[members] for f in sums.__dataclass_fields__))
        assert [got[k] for k in members] == list(bands(part, [WHOLE] * 2, resamples=499))


def test_largest_distance_is_reduced_from_all_distances(three):
    whole = np.concatenate(list(replicates(three, np.arange(3), resamples=99, seed=4)))
    groups = np.array([1, 0, 1])
    got = largest_distances(three, np.arange(3), groups, resamples=99, seed=4)
    assert (got == np.c_[whole[:, 1], whole[:, [0, 2]].max(axis=1)]).all()


@pytest.mark.parametrize("block", [1, 13, 500])
def test_replicates_do_not_depend_on_the_block(three, block):
    settings = {"resamples": 120, "seed": 2}
    one, other = (
        np.concatenate(list(replicates(three, np.arange(3), **settings, block=b)))
        for b in (None, block)
    )
    assert one.shape == (120, 3)
    assert (one == other).all()


def test_sign_mirrors(three):
    flip = {"sums": -three.sums, "positive": three.negative, "negative": three.positive}
    flip |= {"sizes": three.sizes, "squares": three.squares}
    mirrored = type(three)(**flip, above=three.below, below=three.above)
    ours, theirs = (bands(s, [WHOLE] * 3, resamples=499) for s in (three, mirrored))
    for a, b in zip(ours, theirs, strict=True):
        assert (a.low, a.high) == pytest.approx((-b.high, -b.low))


def test_bounds_stay_inside_what_values_can_be():
    rng = np.random.default_rng(0)
    d = np.r_[np.ones(30), rng.random(5)][None]
    got = bands(sums_of(d, np.arange(35)), [Values(1.0, signed=True, whole=False)], method="max_t")
    assert got[0].method in ("max_t", "cv3_t")
    assert got[0].high == 1.0


def test_an_infinite_quantile_falls_back_to_closed_intervals():
    """One cluster holds all that moved: a third of the resamples miss it."""
    d = np.zeros((2, 200))
    d[0, :24] = 1
    d[1] = np.random.default_rng(2).integers(-1, 2, 200)
    sums = sums_of(d, np.r_[np.zeros(24), np.arange(1, 177)].astype(int))
    forced = bands(sums, [WHOLE] * 2, resamples=999, method="max_t")
    assert [i.method for i in forced] == ["score_ess"] * 2
    assert all("fallback" in i.flags for i in forced)
    spread = sums_of(d, np.arange(200) // 4)
    auto = bands(spread, [WHOLE] * 2, resamples=999)
    assert [i.method for i in auto] == ["score_ess", "max_t"]
    assert "fallback" not in auto[0].flags


def test_too_few_resamples_for_a_small_share_are_closed():
    """One of three for the bootstrap: its level is 98.3%, which 49 resamples do not reach."""
    rng = np.random.default_rng(1)
    d = rng.integers(-1, 2, (3, 400)).astype(float)
    d[1:] = 0
    d[1:, :2] = 1
    sums = sums_of(d, np.arange(400) // 8)
    assert bands(sums, [WHOLE] * 3, resamples=49)[0].method == "score_ess"
    assert bands(sums, [WHOLE] * 3, resamples=99)[0].method == "max_t"


@pytest.mark.parametrize("method", ["auto", "max_t", "bonferroni"])
@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_no_spread_has_a_degenerate_interval(method, value):
    (got,) = bands(sums_of(np.full(300, value), np.arange(300) // 6), [WHOLE], method=method)
    assert got.low < got.high
    assert {"degenerate", "simultaneous"} <= set(got.flags)


def test_edges_without_an_interval():
    single = sums_of([1.0], [0])
    assert bands(single, [WHOLE]) == (None,)
    assert bands(sums_of([1.0, 0, 1], [4, 4, 4]), [WHOLE]) == (None,)
    empty = sums_of(np.ones(40), np.arange(40), np.zeros(40, bool))
    assert bands(empty, [WHOLE]) == (None,)
    assert bands(sums_of(np.ones(40), np.arange(40)), [FREE]) == (None,)
    none = sums_of(np.empty((0, 40)), np.arange(40), np.empty((0, 40), bool))
    assert bands(none, []) == ()


def test_few_clusters_have_closed_intervals():
    rng = np.random.default_rng(3)
    sums = sums_of(rng.normal(0, 3, (2, 60)), np.arange(60) // 6)
    got = bands(sums, [FREE] * 2)
    for k in range(2):
        closed = closed_interval(sums, k, FREE, level=0.975)
        assert (got[k].method, got[k].low) == ("cv3_t", closed.low)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"method": "holm"}, OodropError, "method must be one of auto, max_t, bonferroni; got"),
        ({"level": 1.0}, OodropError, "level"),
        ({"resamples": 18}, OodropError, "at least 19 resamples"),
        ({"seed": -1}, OodropError, "seed"),
        ({"groups": np.zeros(2, int)}, DataError, "3 columns need as many values and groups"),
    ],
)
def test_impossible_settings(three, settings, error, message):
    with pytest.raises(error, match=message):
        bands(three, [WHOLE] * 3, **settings)


def test_values_must_fit(three):
    with pytest.raises(DataError, match="got 2 values"):
        bands(three, [WHOLE] * 2)


# --- drop_bands -------------------------------------------------------------------------------


@pytest.fixture
def paired(make_paired, make_variant):
    rng = np.random.default_rng(4)
    variants = [
        make_variant("typo"),
        make_variant("order", family="ordering"),
        make_variant("guess", evidence="assumed"),
        make_variant("twist", family="adversarial"),
    ]
    canonical = (rng.random((2, 400)) < 0.8).astype(float)
    scores = np.where(rng.random((2, 4, 400)) < 0.2, 1 - canonical[:, None], canonical[:, None])
    changed = rng.random((4, 400)) < 0.9
    return make_paired(canonical, scores, np.arange(400) // 8, changed, variants)


def test_drop_bands_take_the_natural_variants_of_each_checkpoint(paired):
    first, second = drop_bands(paired, resamples=499)
    assert (first.checkpoint, second.checkpoint) == paired.checkpoints
    assert first.slugs == ("typo", "order")
    assert first.band("typo").method == "max_t"
    rows = [0, 1]
    d = paired.canonical[1] - paired.scores[1, rows]
    sums = cluster_sums(d, paired.changed[rows], paired.ordered_clusters)
    assert second.intervals == bands(sums, [WHOLE] * 2, resamples=499)
    assert drop_bands(paired, checkpoints=["ckpt1"], resamples=499) == (second,)


def test_drop_bands_of_a_family(paired):
    (only,) = drop_bands(paired, "ordering", checkpoints=["ckpt0"], resamples=499)
    assert (only.name, only.slugs) == ("ordering", ("order",))
    with pytest.raises(UnknownNameError, match="unknown variant 'typo'; there are: order"):
        only.band("typo")
    with pytest.raises(UnknownNameError, match="unknown family 'adversarial'"):
        drop_bands(paired, "adversarial")
    with pytest.raises(UnknownNameError, match="unknown checkpoint"):
        drop_bands(paired, checkpoints=["ckpt9"])


def test_drop_bands_do_not_depend_on_order_or_cluster_codes(paired):
    turn = np.random.default_rng(1).permutation(400)
    moved = type(paired)(
        **{f: getattr(paired, f) for f in ("task", "metric", "chance", "checkpoints", "variants")},
        item_ids=tuple(paired.item_ids[i] for i in turn),
        clusters=(1000 - 7 * paired.clusters)[turn],
        canonical=paired.canonical[:, turn],
        scores=paired.scores[:, :, turn],
        changed=paired.changed[:, turn],
    )
    assert drop_bands(moved, resamples=199) == drop_bands(paired, resamples=199)


# --- coverage ---------------------------------------------------------------------------------


def test_they_hold_together_about_as_often_as_promised():
    """1,500 groups of 12 columns, normal cluster sums with known means and correlation .3.

    Theory: an uncorrected interval would hold in about 60% of the groups; the fixed-error max-t in
    about 92%. The standard error of 95% is .56 points.
    """
    reps, k, g = 1500, 12, 40
    rng = np.random.default_rng(12)
    common = rng.standard_normal((reps, 1, g))
    d = np.sqrt(0.3) * common + np.sqrt(0.7) * rng.standard_normal((reps, k, g))
    together = 0
    for part in np.split(d, 15):
        sums = sums_of(part.reshape(-1, g), np.arange(g))
        got = bands(
            sums,
            [FREE] * len(sums.sums),
            groups=np.repeat(np.arange(100), k),
            resamples=399,
            seed=int(rng.integers(1000)),
        )
        assert {i.method for i in got} == {"max_t"}
        held = np.array([not i.excludes(0.0) for i in got]).reshape(100, k)
        together += held.all(axis=1).sum()
    assert 0.935 <= together / reps <= 0.967


@pytest.mark.parametrize("method", ["auto", "max_t", "bonferroni"])
@pytest.mark.parametrize("resamples", [19, 400])
def test_blocks_are_as_one(method, resamples):
    """Columns fit for the band, too few clusters, few that differ, and no spread, in any blocks."""
    rng = np.random.default_rng(8)
    clusters = np.arange(450) // 9
    d = rng.integers(-1, 2, (6, 450)) * (rng.random((6, 450)) < 0.4).astype(float)
    d[2] = 0.0
    d[3, 30:] = 0.0
    mask = np.ones(d.shape, bool)
    mask[4, 27:] = False
    whole = sums_of(d, clusters, mask)
    values = [WHOLE] * 6
    together = bands(whole, values, resamples=resamples, method=method)

    def blocks():
        for cut in (slice(0, 1), slice(1, 4), slice(4, 6)):
            yield sums_of(d[cut], clusters, mask[cut]), values[cut]

    assert list(joint_bands(blocks, resamples=resamples, method=method)) == list(together)


def test_blocks_refuse_an_unknown_method():
    with pytest.raises(OodropError, match="method must be one of"):
        list(joint_bands(list, method="scheffe"))
