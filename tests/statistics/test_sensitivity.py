import numpy as np
import pytest

from oodrop import OodropError, UnknownNameError
from oodrop.reports.statistics import ask, over_seeds, sensitivities
from oodrop.reports.statistics.answers.sensitivity import controls, noticed
from oodrop.reports.statistics.intervals.score import wilson_ess
from oodrop.reports.statistics.sums import cluster_sums


@pytest.fixture
def paired(make_paired, make_variant):
    """One that reads (right before and after), one that gives the same answer to both."""
    items = 120
    canonical = np.ones((2, items))
    canonical[:, ::10] = 0.0
    after = np.stack([np.ones(items), 1.0 - canonical[1]])
    after[0, :6] = 0.0
    changed = np.ones((3, items), bool)
    changed[1, 60:] = False
    placebo = np.zeros(items)
    return make_paired(
        canonical,
        np.stack([[placebo, row, row] for row in after]),
        np.arange(items) // 2,
        changed,
        [
            make_variant("identity", "control.identity", family="control"),
            make_variant("threshold", "control.threshold", family="control"),
            make_variant("negation", "control.negation", family="control"),
        ],
    )


def test_counts(paired):
    found = {(s.checkpoint, s.name): s for s in sensitivities(paired)}
    assert list(found) == [(c, n) for c in ("ckpt0", "ckpt1") for n in ("threshold", "negation")]
    for slug, items in (("threshold", 60), ("negation", 120)):
        reads, repeats = (found[c, slug] for c in ("ckpt0", "ckpt1"))
        right = items * 9 // 10
        assert (reads.before.estimate, reads.before.n) == (right / items, items)
        assert reads.after.estimate == (items - 6) / items
        # Item 0 was wrong before, items 1 to 5 are wrong after.
        assert reads.noticed.estimate == (right - 5) / items
        assert reads.blind.estimate == 5 / items
        assert repeats.noticed.estimate == 0.0
        assert repeats.blind.estimate == right / items
        assert repeats.after.estimate == pytest.approx(1 - right / items)


def test_the_interval_is_wilsons_on_clusters(paired):
    (found, *_) = sensitivities(paired, level=0.9)
    items, mask = noticed(paired, "ckpt0", "threshold")
    sums = cluster_sums(items[None], mask[None], paired.ordered_clusters)
    expected = wilson_ess(sums, 0, level=0.9)
    assert (found.noticed.interval.low, found.noticed.interval.high) == (
        expected.low,
        expected.high,
    )


def test_over_seeds(make_paired, make_variant):
    rng = np.random.default_rng(4)
    canonical = (rng.random((4, 90)) < 0.9).astype(float)
    scores = (rng.random((4, 1, 90)) < np.array([0.9, 0.8, 0.2, 0.1])[:, None, None]).astype(float)
    control = [make_variant("negation", "control.negation", family="control")]
    paired = make_paired(canonical, scores, np.arange(90) // 3, variants=control)
    two = [("ckpt0", "ckpt1"), ("ckpt2", "ckpt3")]
    got = over_seeds(paired, two, "negation", of="noticed")
    both = (canonical * scores[:, 0]).mean(axis=1)
    assert got.each == (pytest.approx(tuple(both[:2])), pytest.approx(tuple(both[2:])))
    assert got.estimate == pytest.approx(both[:2].mean() - both[2:].mean())
    assert got.interval.low > 0.0
    with pytest.raises(UnknownNameError, match="control that changes the answer"):
        over_seeds(paired, two, "lexical", of="noticed")
    with pytest.raises(OodropError, match="got no name"):
        over_seeds(paired, two, of="noticed")


def test_nothing_where_there_is_nothing_to_notice(make_paired, paired):
    assert sensitivities(make_paired(np.ones(20), np.ones(20))) == ()
    unbounded = make_paired(np.full(20, 7.0), np.full((1, 20), 3.0), variants=[paired.variants[2]])
    assert sensitivities(unbounded) == ()
    assert controls(unbounded) == []
    with pytest.raises(UnknownNameError, match="ckpt7"):
        noticed(paired, "ckpt7", "negation")
    with pytest.raises(OodropError, match="level"):
        sensitivities(paired, level=1.0)


def test_a_task_with_controls_alone_is_asked_about_them(paired):
    asked = ask(paired, resamples=50)
    assert asked.sensitivity == sensitivities(paired)
    assert asked.contrasts == ()
