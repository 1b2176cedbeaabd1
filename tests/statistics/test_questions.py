"""Everything that is asked of a task comes from the function that answers it."""

import numpy as np
import pytest

from oodrop.reports.statistics import (
    ALL,
    Questions,
    accuracy_plane,
    ask,
    chance_corrected_drop,
    consistency,
    contrast,
    crossed,
    holm,
    pair_questions,
    rank_sets,
    relative_drop,
    severity_curves,
    worst_variant,
)

NAMES = ["lexical", "phrasing", ALL]


@pytest.fixture(scope="module")
def paired(make_paired, make_variant):
    rng = np.random.default_rng(5)
    canonical = (rng.random((3, 240)) < np.array([[0.9], [0.8], [0.4]])) * 1.0
    variants = [
        *(make_variant(f"typo_s{s}", "lexical.typo", severity=s) for s in (1, 4)),
        *(make_variant(f"t{k}", "phrasing.template", family="phrasing") for k in range(4)),
        make_variant("polite", "phrasing.register", family="phrasing"),
    ]
    kept = rng.random((3, 7, 240)) < np.linspace(0.95, 0.7, 7)[:, None]
    scores = canonical[:, None] * kept
    return make_paired(canonical, scores, clusters=np.arange(240) // 4, variants=variants)


@pytest.fixture(scope="module")
def asked(paired):
    return ask(paired, resamples=400, seed=3)


def test_contrasts_of_those_above_chance_adjusted_together(paired, asked):
    assert [(c.a, c.b, c.name) for c in asked.contrasts] == [
        ("ckpt0", "ckpt1", name) for name in NAMES
    ]
    assert asked.contrasts[0] == contrast(paired, "ckpt0", "ckpt1", "lexical")
    assert asked.contrast_p == holm([c.p for c in asked.contrasts])
    assert asked.contrast_p != tuple(c.p for c in asked.contrasts)


def test_the_rest_is_per_checkpoint_in_order(paired, asked):
    each = [(c, name) for c in paired.checkpoints for name in NAMES]
    assert asked.relative == tuple(relative_drop(paired, *one) for one in each)
    assert asked.chance_corrected == tuple(chance_corrected_drop(paired, *one) for one in each)
    assert asked.relative != asked.chance_corrected
    settings = {"resamples": 400, "seed": 3}
    assert asked.worst == tuple(worst_variant(paired, c, **settings) for c in paired.checkpoints)
    assert asked.ranks == rank_sets(paired, **settings)
    assert asked.consistency == consistency(paired)
    assert asked.severity == severity_curves(paired)


def test_four_templates_of_one_perturber_are_a_sample(paired, asked):
    bank = ("t0", "t1", "t2", "t3")
    assert asked.templates == tuple(crossed(paired, c, bank) for c in paired.checkpoints)


def test_without_natural_variants_nothing_is_asked(make_paired, make_variant):
    rerun = make_variant("rerun", "control.rerun", family="control")
    found = ask(make_paired(np.ones((2, 60)), np.ones((2, 1, 60)), variants=[rerun]))
    assert found == Questions()
    assert all(not value for value in vars(found).values())


def test_the_plane_and_the_pairs(paired, asked):
    assert asked.plane == accuracy_plane(paired)
    assert asked.pairs == pair_questions(paired, ("ckpt0", "ckpt1"), NAMES)
    told = ask(paired, references=("ckpt1",), resamples=400)
    assert told.plane == accuracy_plane(paired, references=("ckpt1",)) != asked.plane


def test_a_single_checkpoint_has_a_plane_and_no_pair(paired, make_paired):
    one = make_paired(
        paired.canonical[:1], paired.scores[:1], clusters=paired.clusters, variants=paired.variants
    )
    found = ask(one, resamples=400)
    assert len(found.plane.points) == 1
    assert found.pairs is None


def test_the_order_of_the_items_changes_nothing(paired, asked, make_paired):
    mixed = np.random.default_rng(1).permutation(240)
    moved = make_paired(
        paired.canonical[:, mixed],
        paired.scores[:, :, mixed],
        clusters=7 * paired.clusters[mixed] + 3,
        variants=paired.variants,
        item_ids=tuple(paired.item_ids[k] for k in mixed),
    )
    assert ask(moved, resamples=400, seed=3) == asked
