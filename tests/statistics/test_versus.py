import numpy as np
import pytest

from oodrop import UnknownNameError
from oodrop.reports.statistics import VariantInfo, accuracy_difference, contrast, versus

VARIANTS = (
    VariantInfo("typo", "lexical.typo", "lexical", 1, "proved"),
    VariantInfo("case", "lexical.case", "lexical", None, "proved"),
    VariantInfo("order", "ordering.order", "ordering", None, "proved"),
)


@pytest.fixture
def three(make_paired):
    """Two checkpoints scored 0 or 1 and one with means over replies; 60 clusters of 4."""
    rng = np.random.default_rng(4)
    canonical = (rng.random((3, 240)) < [[0.9], [0.6], [0.7]]).astype(float)
    scores = np.clip(canonical[:, None] - (rng.random((3, 3, 240)) < 0.2), 0.0, 1.0)
    canonical[2] *= 0.5
    changed = rng.random((3, 240)) < 0.8
    return make_paired(canonical, scores, np.arange(240) // 4, variants=VARIANTS, changed=changed)


@pytest.mark.parametrize("name", ["all", "lexical", "ordering", "typo"])
def test_each_pair_is_what_the_single_questions_say(three, name):
    pairs = [("ckpt0", "ckpt1"), ("ckpt0", "ckpt2"), ("ckpt1", "ckpt2")]
    for quantity, single in (("drop", contrast), ("variant", accuracy_difference)):
        found = list(versus(three, quantity, name))
        assert [(v.a, v.b) for v in found] == pairs
        for v in found:
            expected = single(three, v.a, v.b, name)
            assert v.estimate == pytest.approx(expected.estimate, abs=1e-12)
            assert v.interval == expected.interval


def test_canonical_accuracy_is_over_the_changed_items(three):
    (first, *_) = versus(three, "canonical", "typo")
    changed = three.changed[0]
    apart = three.canonical[0, changed].mean() - three.canonical[1, changed].mean()
    assert first.estimate == pytest.approx(apart)
    assert first.interval.method == "score_ess"
    assert first.interval.n == changed.sum()
    drops = [next(versus(three, q, "typo")).estimate for q in ("canonical", "variant", "drop")]
    assert drops[0] - drops[1] == pytest.approx(drops[2])


def test_means_over_replies_have_no_score_interval(three):
    found = [v.interval.method for v in versus(three, "canonical", "typo")]
    assert found == ["score_ess", "cv3_t", "cv3_t"]


def test_an_unknown_name(three):
    with pytest.raises(UnknownNameError):
        next(versus(three, "drop", "lexcal"))
