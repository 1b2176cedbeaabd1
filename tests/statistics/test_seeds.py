import math

import numpy as np
import pytest
from scipy import stats

from oodrop import OodropError, UnknownNameError
from oodrop.reports.statistics import cluster_sums, contrast, over_seeds
from oodrop.reports.statistics.intervals.closed import LOST_OR_GAINED, closed_interval

A, B = ("ckpt0", "ckpt1", "ckpt2"), ("ckpt3", "ckpt4")


@pytest.fixture
def trained(make_paired):
    """Three seeds of one recipe and two of another, on unequal clusters, two variants."""
    rng = np.random.default_rng(3)
    right = np.array([0.9, 0.88, 0.92, 0.9, 0.86])
    canonical = (rng.random((5, 240)) < right[:, None]).astype(float)
    kept = np.array([0.85, 0.7, 0.9, 0.5, 0.6])[:, None, None]
    scores = canonical[:, None] * (rng.random((5, 2, 240)) < kept)
    changed = np.ones((2, 240), bool)
    changed[1, ::3] = False
    return make_paired(canonical, scores, np.sqrt(np.arange(240)).astype(int), changed)


def values(paired, recipe, name):
    """[seeds, I] item values and the mask, straight from the scores."""
    rows = [paired.checkpoints.index(c) for c in recipe]
    if name is None:
        return paired.canonical[rows], np.ones(len(paired.item_ids), bool)
    v = int(name[1])
    return paired.canonical[rows] - paired.scores[rows, v], paired.changed[v]


def by_hand(paired, recipes, name, level=0.95):
    """The formulas of the docstrings, every mean computed anew without each cluster."""
    groups = np.unique(paired.clusters[values(paired, recipes[0], name)[1]])
    g, middles, thetas, rows, both = len(groups), [], [], [], 0.0
    for recipe in recipes:
        d, mask = values(paired, recipe, name)
        theta = d[:, mask].mean(axis=1)
        without = [d[:, mask & (paired.clusters != k)].mean(axis=1) for k in groups]
        shifts = np.array(without).T - theta[:, None]
        middles.append(shifts.mean(axis=0))
        thetas.append(theta.mean())
        rows.append(theta.var(ddof=1) / len(recipe))
        pairs = len(recipe) * (len(recipe) - 1)
        both += (g - 1) / g * ((shifts - middles[-1]) ** 2).sum() / pairs
    apart = middles[0] - middles[1] if len(recipes) == 2 else middles[0]
    items = (g - 1) / g * (apart**2).sum()
    freedom = [len(r) - 1 for r in recipes]
    df = sum(rows) ** 2 / sum(v**2 / f for v, f in zip(rows, freedom, strict=True))
    sizes = np.array([mask[paired.clusters == k].sum() for k in groups])
    g_star = sizes.sum() ** 2 / (sizes**2).sum()
    q_items, q_rows = (stats.t.ppf((1 + level) / 2, f) for f in (g_star - 1, df))
    extra = max(items + sum(rows) - both, items, sum(rows)) - items
    half = math.sqrt(max(q_items**2 * items + q_rows**2 * extra, q_rows**2 * sum(rows)))
    return thetas[0] - sum(thetas[1:]), half, math.sqrt(items), math.sqrt(sum(rows))


@pytest.mark.parametrize("recipes", [[A], [B], [A, B], [B, A]])
@pytest.mark.parametrize("name", [None, "v0", "v1"])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_by_hand(trained, recipes, name, level):
    of = "drop" if name else "accuracy"
    got = over_seeds(trained, recipes, name, of=of, level=level)
    estimate, half, items, seeds = by_hand(trained, recipes, name, level)
    assert got.estimate == pytest.approx(estimate)
    assert (got.item_error, got.seed_error) == pytest.approx((items, seeds))
    low, high = (-1.0, 1.0) if name else (0.0, 1.0)
    if len(recipes) == 2:
        low, high = (-2.0, 2.0) if name else (-1.0, 1.0)
    clipped = (max(estimate - half, low), min(estimate + half, high))
    assert (got.interval.low, got.interval.high) == pytest.approx(clipped)
    assert got.interval.level == level
    assert got.n == got.interval.n == (160 if name == "v1" else 240)
    each = tuple(tuple(d[:, mask].mean(axis=1)) for d, mask in
                 (values(trained, r, name) for r in recipes))  # fmt: skip
    assert [pytest.approx(e) for e in each] == list(got.each)


def test_two_accuracies_never_differ_by_more_than_one(make_paired):
    """Two seeds of each recipe, one of them at chance: a t with a degree of freedom is wide."""
    rng = np.random.default_rng(3)
    right = rng.random((4, 400)) < np.array([0.95, 0.4, 0.02, 0.03])[:, None]
    paired = make_paired(right.astype(float), np.repeat(right[:, None], 2, axis=1).astype(float))
    two = [("ckpt0", "ckpt1"), ("ckpt2", "ckpt3")]
    got = over_seeds(paired, two, None, of="accuracy").interval
    assert (got.low < 0.0, got.high) == (True, 1.0)


def test_p_is_the_level_that_reaches_zero(trained):
    for recipes in ([A], [A, B]):
        got = over_seeds(trained, recipes, "v0")
        assert 0.0 < got.p < 1.0
        edge = over_seeds(trained, recipes, "v0", level=1.0 - got.p).interval
        assert min(abs(edge.low), abs(edge.high)) == pytest.approx(0.0, abs=1e-9)
        assert got.interval.excludes(0.0) == (got.p < 0.05)


def test_p_of_no_difference_and_of_a_huge_one(make_paired):
    scores = np.zeros((4, 1, 60))
    scores[2:] = 1.0
    scores[0, 0, 0] = scores[1, 0, 1] = scores[2, 0, 2] = 1.0
    scores[3, 0, 3] = 0.0
    paired = make_paired(np.ones((4, 60)), scores)
    first, second = ("ckpt0", "ckpt1"), ("ckpt2", "ckpt3")
    assert over_seeds(paired, [first, second], "v0").p < 0.01
    alike = make_paired(np.ones((4, 60)), scores[[0, 1, 1, 0]])
    got = over_seeds(alike, [first, second], "v0")
    assert got.estimate == pytest.approx(0.0, abs=1e-12)
    assert got.p == 1.0


def test_accuracy_under_a_variant_is_canonical_less_drop(trained):
    canonical, drop, after = (
        over_seeds(trained, [A, B], name, of=of)
        for name, of in ((None, "accuracy"), ("v0", "drop"), ("v0", "accuracy"))
    )
    assert after.estimate == pytest.approx(canonical.estimate - drop.estimate)
    assert (canonical.name, canonical.kind) == ("canonical", "canonical")


def test_the_same_seed_twice_leaves_the_items(make_paired):
    """Seeds that do not differ: what remains is the contrast of one with one."""
    rng = np.random.default_rng(1)
    canonical, first, second = rng.integers(0, 2, (3, 200)).astype(float)
    paired = make_paired(
        np.tile(canonical, (4, 1)),
        np.array([first, first, second, second])[:, None],
        np.arange(200) // 5,
    )
    got = over_seeds(paired, [("ckpt0", "ckpt1"), ("ckpt2", "ckpt3")], "v0")
    one = contrast(paired, "ckpt0", "ckpt2", "v0")
    assert got.seed_error == 0.0
    assert (got.interval.low, got.interval.high) == pytest.approx(
        (one.interval.low, one.interval.high)
    )
    assert got.p == pytest.approx(one.p)


def test_seeds_far_apart_are_welchs_test(make_paired):
    """Every cluster alike and seeds that differ: Welch's t over the seeds alone."""
    drops = [np.array([0.0, 0.25, 0.5]), np.array([0.5, 0.75, 1.0, 1.0])]
    scores = np.array([[float(i % 4 >= 4 * d) for i in range(80)] for d in np.concatenate(drops)])
    paired = make_paired(np.ones((7, 80)), scores[:, None], np.arange(80) // 8)
    two = [tuple(f"ckpt{k}" for k in ks) for ks in (range(3), range(3, 7))]
    got = over_seeds(paired, two, "v0")
    welch = stats.ttest_ind(*drops, equal_var=False)
    expected = welch.confidence_interval(0.95)
    assert got.item_error == pytest.approx(0.0, abs=1e-12)
    assert (got.interval.low, got.interval.high) == pytest.approx((expected.low, expected.high))
    assert got.p == pytest.approx(welch.pvalue)


@pytest.mark.parametrize("wrong", [True, False])
def test_nothing_varies(make_paired, wrong):
    scores = np.full((4, 1, 60), 0.0 if wrong else 1.0)
    paired = make_paired(np.ones((4, 60)), scores, np.arange(60) // 3)
    one = over_seeds(paired, [("ckpt0", "ckpt1")], "v0")
    sums = cluster_sums(np.full((1, 60), float(wrong)), np.ones((1, 60), bool), np.arange(60) // 3)
    closed = closed_interval(sums, 0, LOST_OR_GAINED)
    assert (one.interval.low, one.interval.high) == (closed.low, closed.high)
    assert one.flags == ("degenerate",)
    two = over_seeds(paired, [("ckpt0", "ckpt1"), ("ckpt2", "ckpt3")], "v0")
    assert two.estimate == 0.0
    assert two.interval.low < 0.0 < two.interval.high
    assert two.flags[-1] == "degenerate"


def test_nothing_changed_and_too_few_clusters(make_paired):
    canonical, scores = np.ones((2, 12)), np.zeros((2, 1, 12))
    none = make_paired(canonical, scores, changed=np.zeros((1, 12), bool))
    got = over_seeds(none, [("ckpt0", "ckpt1")], "v0")
    assert (got.estimate, got.interval, got.p, got.n) == (None, None, None, 0)
    assert got.flags == ("no_changed_items",)
    few = make_paired(canonical, scores, np.arange(12) // 4)
    got = over_seeds(few, [("ckpt0", "ckpt1")], "v0")
    assert got.estimate == 1.0
    assert got.interval is None
    assert "3.0 effective clusters" in got.reason


@pytest.mark.parametrize(
    ("recipes", "name", "of", "said"),
    [
        (
            [("ckpt0",)],
            "v0",
            "drop",
            "one says nothing about others; got ckpt0",
        ),
        ([()], "v0", "drop", "got none"),
        ([], "v0", "drop", "one recipe is looked at or two are compared"),
        ([A, B, A], "v0", "drop", "one recipe is looked at or two are compared"),
        ([A, ("ckpt2", "ckpt3")], "v0", "drop", "no checkpoint stands in them twice"),
        ([A, B], None, "drop", "a drop is one under a variant"),
    ],
)
def test_bad_recipes(trained, recipes, name, of, said):
    with pytest.raises(OodropError, match=said):
        over_seeds(trained, recipes, name, of=of)


def test_names_that_are_not_there(trained):
    with pytest.raises(UnknownNameError, match="ckpt9"):
        over_seeds(trained, [("ckpt0", "ckpt9")], "v0")
    with pytest.raises(UnknownNameError, match="v7"):
        over_seeds(trained, [A], "v7")
    with pytest.raises(OodropError, match="level"):
        over_seeds(trained, [A], "v0", level=1.0)
