"""Checkpoints two by two: asked only where the ceilings were shown to be equivalent."""

import numpy as np
import pytest

from oodrop import OodropError
from oodrop.reports.statistics import ALL, engagement_question, equivalent, pair_questions


@pytest.fixture(scope="module")
def paired(make_paired, make_variant):
    """Two checkpoints with one ceiling, of which the first loses more, and a weaker third one."""
    rng = np.random.default_rng(9)
    items = 1200
    base = rng.random(items) < 0.85
    near = base ^ (rng.random(items) < 0.01)
    weak = rng.random(items) < 0.6
    canonical = np.array([base, near, weak]) * 1.0
    kept = rng.random((3, 2, items)) < np.array([0.8, 0.98, 0.9])[:, None, None]
    variants = [make_variant("typo"), make_variant("t1", "phrasing.template", family="phrasing")]
    scores = canonical[:, None] * kept
    return make_paired(canonical, scores, clusters=np.arange(items) // 6, variants=variants)


NAMES = ("lexical", ALL)


def test_every_pair_has_its_ceilings(paired):
    found = pair_questions(paired, paired.checkpoints, NAMES)
    assert found.margin == 0.03
    assert found.ceilings == tuple(
        equivalent(paired, a, b)
        for a, b in (("ckpt0", "ckpt1"), ("ckpt0", "ckpt2"), ("ckpt1", "ckpt2"))
    )
    assert [c.equivalent for c in found.ceilings] == [True, False, False]


def test_only_equivalent_ones_are_asked_and_the_loser_is_the_heuristic_one(paired):
    for order in (("ckpt0", "ckpt1", "ckpt2"), ("ckpt1", "ckpt2", "ckpt0")):
        found = pair_questions(paired, order, NAMES)
        assert found.asked == tuple(
            engagement_question(paired, engaged="ckpt1", heuristic="ckpt0", name=name)
            for name in NAMES
        )
    assert {q.verdict for q in found.asked} == {"different_drops"}
    assert all(q.points.estimate > 0.0 for q in found.asked)


def test_margin_and_alpha_reach_both_questions(paired):
    wide = pair_questions(paired, paired.checkpoints, [ALL], margin=0.4, alpha=0.1)
    assert [c.equivalent for c in wide.ceilings] == [True] * 3
    assert len(wide.asked) == 3
    assert {(q.ceilings.margin, q.ceilings.alpha) for q in wide.asked} == {(0.4, 0.1)}
    assert {q.points.interval.level for q in wide.asked} == {0.9}
    tight = pair_questions(paired, paired.checkpoints, [ALL], margin=0.0001)
    assert tight.asked == ()
    assert len(tight.ceilings) == 3
    with pytest.raises(OodropError, match="margin"):
        pair_questions(paired, paired.checkpoints, [ALL], margin=0.0)
