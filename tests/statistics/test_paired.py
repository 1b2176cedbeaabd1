import dataclasses

import numpy as np
import pytest

from oodrop import DataError


def test_arrays_are_copied_and_read_only(make_paired):
    scores = np.zeros((1, 1, 3))
    paired = make_paired([1, 0, 1], scores)
    scores[:] = 1
    assert paired.scores.sum() == 0
    for name in ("clusters", "canonical", "scores", "changed"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(paired, name)[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        paired.task = "other"


def test_types_are_the_announced_ones(make_paired):
    paired = make_paired([True, False], [1, 0], clusters=np.array([1, 2], np.int32))
    assert paired.clusters.dtype == np.int64
    assert paired.canonical.dtype == paired.scores.dtype == np.float64
    assert paired.changed.dtype == np.bool_


@pytest.mark.parametrize(
    ("canonical", "scores", "binary", "bounded"),
    [
        ([1, 0], [0, 1], True, True),
        ([1, 0], [np.nan, 1], True, True),
        ([1, 0.5], [0, 1], False, True),
        ([1, 0], [0, 2], False, False),
        ([1, 0], [0, -0.5], False, False),
    ],
)
def test_binary_and_bounded(make_paired, canonical, scores, binary, bounded):
    paired = make_paired(canonical, scores, changed=np.isfinite(np.asarray(scores, float)))
    assert (paired.binary, paired.bounded) == (binary, bounded)


def test_missing_score_of_a_changed_item_names_all_three(make_paired):
    with pytest.raises(DataError, match=r"checkpoint 'ckpt0', variant 'v1', item 'item00002'"):
        make_paired([1, 0, 1], [[1, 0, 1], [1, 0, np.nan]])


def test_unchanged_item_needs_no_score(make_paired):
    make_paired([1, 0], [1, np.nan], changed=[True, False])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_canonical_must_be_finite(make_paired, bad):
    with pytest.raises(DataError, match=r"canonical score must be finite.*'item00001'"):
        make_paired([1, bad], [1, 0])


def test_infinite_score_is_refused_even_where_unchanged(make_paired):
    with pytest.raises(DataError, match="finite score"):
        make_paired([1, 0], [1, np.inf], changed=[True, False])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"item_ids": ("a", "a", "b")}, "item_id 'a' appears more than once"),
        ({"checkpoints": ("x", "x")}, "checkpoint 'x' appears more than once"),
        ({"checkpoints": ()}, "at least one checkpoint"),
        ({"item_ids": ()}, "at least one item_id"),
        ({"clusters": np.arange(4)}, r"clusters must have shape \(3,\)"),
        ({"clusters": np.zeros(3)}, "clusters must hold int64; got float64"),
        ({"canonical": np.ones((2, 3))}, r"canonical must have shape \(1, 3\)"),
        ({"canonical": np.array([["a", "b", "c"]])}, "canonical must hold float64"),
        ({"scores": np.ones((1, 3))}, "scores must have shape"),
        ({"changed": np.ones((1, 3))}, "changed must hold bool"),
        ({"chance": 1.0}, "chance must be"),
        ({"chance": float("nan")}, "chance must be"),
    ],
)
def test_what_does_not_fit_is_refused(make_paired, more, message):
    paired = make_paired([1, 0, 1], [1, 1, 0])
    with pytest.raises(DataError, match=message):
        dataclasses.replace(paired, **more)


def test_repeated_slug_is_refused(make_paired, make_variant):
    with pytest.raises(DataError, match="variant slug 'v0' appears more than once"):
        make_paired([1], [[1], [0]], variants=[make_variant(), make_variant()])


def test_rerun_must_score_every_item(make_paired, make_variant):
    rerun = make_variant("rerun", "control.rerun", "control")
    with pytest.raises(DataError, match=r"control\.rerun scores every item.*'item00001'"):
        make_paired([1, 1], [1, 1], changed=[True, False], variants=[rerun])


@pytest.mark.parametrize(
    ("field", "bad"),
    [("family", "semantic"), ("evidence", "hoped"), ("severity", 6), ("slug", "")],
)
def test_variant_info_is_checked(make_variant, field, bad):
    with pytest.raises(DataError, match=field if field != "slug" else "empty slug"):
        make_variant(**{field: bad})


def test_cluster_numbers_follow_the_items_not_the_codes(make_paired):
    paired = make_paired([1] * 4, [1] * 4, clusters=[9, 2, 9, 5], item_ids=("d", "c", "b", "a"))
    assert paired.order.tolist() == [3, 2, 1, 0]
    assert paired.ordered_clusters.tolist() == [0, 1, 2, 1]
