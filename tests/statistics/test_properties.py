"""Properties that hold for any scores."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodrop.reports.statistics import analyse

FAST = {"resamples": 59, "seed": 1}


@st.composite
def scores(draw, values):
    """canonical [I], scores [2, I], changed [2, I], clusters [I]."""
    n = draw(st.integers(1, 40))
    row = st.lists(values, min_size=n, max_size=n)
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    codes = st.lists(st.integers(-3, 12), min_size=n, max_size=n)
    return (
        np.array(draw(row), float),
        np.array([draw(row), draw(row)], float),
        np.array([draw(flags), draw(flags)]),
        np.array(draw(codes)),
    )


BINARY = scores(st.sampled_from([0.0, 1.0]))
ANY = scores(st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(-3, 3, width=32)))


def build(make_paired, drawn):
    canonical, values, changed, clusters = drawn
    return make_paired(canonical, np.where(changed, values, np.nan), clusters, changed)


def all_intervals(analysis):
    for drop in analysis.drops:
        yield from (i for i in (drop.bootstrap, drop.score, drop.headline) if i)
    yield from (a.interval for a in analysis.accuracies if a.interval)


def numbers(result):
    stack = [dataclasses.astuple(result)]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            stack.extend(item)
        elif isinstance(item, float):
            yield item


@settings(deadline=None, derandomize=True, max_examples=120)
@given(ANY)
def test_every_result_is_finite_and_holds_its_estimate(make_paired, drawn):
    analysis = analyse(build(make_paired, drawn), **FAST)
    assert np.isfinite(list(numbers(analysis))).all()
    for interval in all_intervals(analysis):
        assert interval.low <= interval.estimate <= interval.high
        assert interval.g_star >= 5
    for drop in analysis.drops:
        assert drop.all_items * drop.n_all == pytest.approx(
            (drop.estimate or 0.0) * drop.n, abs=1e-9
        )
        assert drop.headline_reason
        assert (drop.n == 0) is ("no_changed_items" in drop.flags)


@settings(deadline=None, derandomize=True, max_examples=120)
@given(BINARY)
def test_binary_drops_have_width_and_stay_possible(make_paired, drawn):
    analysis = analyse(build(make_paired, drawn), **FAST)
    for drop in analysis.drops:
        if drop.g_star >= 5:
            assert drop.headline.low < drop.headline.high
        if drop.g_star >= 5 and drop.kind == "variant":
            assert -1 <= drop.score.low < drop.score.high <= 1
    for accuracy in analysis.accuracies:
        if accuracy.g_star >= 5:
            assert 0 <= accuracy.interval.low < accuracy.interval.high <= 1


@settings(deadline=None, derandomize=True, max_examples=120)
@given(st.one_of(BINARY, ANY))
def test_swapping_the_conditions_flips_every_sign(make_paired, drawn):
    canonical, values, _, clusters = drawn
    there = analyse(make_paired(canonical, values[0], clusters), **FAST).drops[0]
    back = analyse(make_paired(values[0], canonical, clusters), **FAST).drops[0]
    assert back.estimate == pytest.approx(-there.estimate, abs=1e-12)
    assert (back.lost, back.gained) == (there.gained, there.lost)
    assert back.flip_rate == there.flip_rate
    assert back.flags == there.flags
    for a, b in ((there.bootstrap, back.bootstrap), (there.score, back.score)):
        assert (a is None) is (b is None)
        if a and b:
            assert (-b.high, -b.low) == pytest.approx((a.low, a.high), abs=1e-7)
            assert b.method == a.method


@settings(deadline=None, derandomize=True, max_examples=60)
@given(BINARY)
def test_duplicating_every_cluster_member_never_narrows(make_paired, drawn):
    """Copies inside a cluster bring no information: an interval that shrank would trust them."""
    canonical, values, _, clusters = drawn
    once = analyse(make_paired(canonical, values[0], clusters), **FAST).drops[0]
    twice = analyse(
        make_paired(np.repeat(canonical, 2), np.repeat(values[0], 2), np.repeat(clusters, 2)),
        **FAST,
    ).drops[0]
    assert twice.estimate == pytest.approx(once.estimate)
    if once.bootstrap and twice.bootstrap:
        assert twice.bootstrap.standard_error == pytest.approx(once.bootstrap.standard_error)
    if once.score and twice.score:
        assert twice.score.standard_error == pytest.approx(once.score.standard_error)
