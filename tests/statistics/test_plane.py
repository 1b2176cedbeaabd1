"""Accuracy on the variants against canonical accuracy, and the line through the checkpoints."""

import numpy as np
import pytest
from scipy import special, stats

from oodrop import OodropError, UnknownNameError
from oodrop.reports.statistics import (
    ALL,
    accuracy_plane,
    effective_robustness,
    wilson_ess,
)
from oodrop.reports.statistics.sums import cluster_sums


def board(make_paired, checkpoints, items=300, seed=4, **more):
    """Checkpoints of canonical accuracy .5 to .9 that lose about a tenth of their right answers."""
    rng = np.random.default_rng(seed)
    accuracy = np.linspace(0.55, 0.9, checkpoints)[:, None]
    canonical = (rng.random((checkpoints, items)) < accuracy) * 1.0
    scores = canonical * (rng.random((checkpoints, items)) < 0.9)
    more = {"chance": 0.25} | more
    return make_paired(canonical, scores[:, None], np.arange(items) // 5, **more)


def test_points_are_over_the_changed_items(make_paired):
    changed = np.random.default_rng(0).random(300) < 0.8
    paired = board(make_paired, 4, changed=changed)
    plane = accuracy_plane(paired)
    assert (plane.n, plane.n_all, plane.name) == (changed.sum(), 300, ALL)
    for c, point in enumerate(plane.points):
        assert point.checkpoint == f"ckpt{c}"
        assert point.canonical == pytest.approx(paired.canonical[c, changed].mean())
        assert point.variant == pytest.approx(paired.scores[c, 0, changed].mean())
        for found, values in (
            (point.canonical_interval, paired.canonical[c]),
            (point.variant_interval, paired.scores[c, 0]),
        ):
            sums = cluster_sums(values[None], changed[None], paired.ordered_clusters)
            assert found == wilson_ess(sums, 0)


def test_the_line_is_scipys(make_paired):
    paired = board(make_paired, 5)
    plane = accuracy_plane(paired)
    x, y = (
        special.logit((a.sum(axis=1) + 0.5) / 301.0)
        for a in (paired.canonical, paired.scores[:, 0])
    )
    line = stats.linregress(x, y)
    assert (plane.line.intercept, plane.line.slope) == pytest.approx((line.intercept, line.slope))
    assert plane.line.points == 5
    assert plane.reason == "line through 5 checkpoints on the logit scale"
    assert {p.role for p in plane.points} == {"on the line"}


def test_references_and_guessing_are_shown_and_not_on_the_line(make_paired):
    paired = board(make_paired, 7, chance=0.6)
    roles = {p.checkpoint: p.role for p in accuracy_plane(paired, references=["ckpt4"]).points}
    assert roles["ckpt0"] == "not above chance"
    assert roles["ckpt4"] == "reference model"
    on_line = [c for c, role in roles.items() if role == "on the line"]
    assert accuracy_plane(paired, references=["ckpt4"]).line.points == len(on_line) < 6


def test_two_checkpoints_make_no_line(make_paired):
    plane = accuracy_plane(board(make_paired, 2))
    assert plane.line is None
    assert plane.robustness == ()
    assert plane.reason == (
        "no line: it takes 3 checkpoints above chance, reference models aside; found: 2"
    )


def test_no_line_without_spread_or_bounds(make_paired):
    canonical = np.tile(np.arange(300) % 4 > 0, (3, 1)) * 1.0
    same = accuracy_plane(make_paired(canonical, canonical[:, None], np.arange(300) // 5))
    assert same.line is None
    assert same.reason == "no line: all checkpoints on it have the same canonical accuracy"
    wide = accuracy_plane(make_paired(canonical * 3.0, canonical[:, None], np.arange(300) // 5))
    assert wide.line is None
    assert wide.reason == "no line: scores lie outside 0 to 1"


@pytest.mark.parametrize(("checkpoints", "told"), [(8, 0), (9, 9)])
def test_effective_robustness_needs_eight_others(make_paired, checkpoints, told):
    paired = board(make_paired, checkpoints)
    found = accuracy_plane(paired).robustness
    assert len(found) == told
    for one in found:
        others = [c for c in paired.checkpoints if c != one.target]
        assert one == effective_robustness(paired, one.target, others)


def test_references_are_no_targets_and_no_baselines(make_paired):
    found = accuracy_plane(board(make_paired, 10), references=("ckpt3",)).robustness
    assert len(found) == 9
    assert not any("ckpt3" in (one.target, *one.baselines) for one in found)


def test_errors_and_nothing_to_show(make_paired, make_variant):
    none = board(make_paired, 3, changed=np.zeros(300, bool))
    assert accuracy_plane(none) is None
    with pytest.raises(OodropError, match="level"):
        accuracy_plane(board(make_paired, 3), level=2.0)
    rerun = [make_variant("rerun", "control.rerun", family="control")]
    with pytest.raises(UnknownNameError):
        accuracy_plane(board(make_paired, 3, variants=rerun))
