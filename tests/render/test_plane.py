"""Accuracy on variants against canonical accuracy: the chart and its table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy import special

from oodrop.reports.render.plane import plane_chart
from oodrop.reports.render.points import percent, points, span
from oodrop.reports.render.robustness import robustness_table, shares
from oodrop.reports.statistics import VariantInfo

TYPO = (VariantInfo("lexical_typo_s2", "lexical.typo", "lexical", 2, "checked"),)


@pytest.fixture(scope="module")
def task(make_task):
    return make_task(checkpoints=4, accuracy=(0.8, 0.75, 0.7, 0.2), most=0)


@pytest.fixture(scope="module")
def spec(task):
    return plane_chart(task, "t").to_dict()


def rows(spec, *keys):
    return [r for x in spec["layer"] for r in x["data"]["values"] if {*keys} <= r.keys()]


def to_percent(spec):
    """Both scales from two tick labels each: 380 pixels, 54 to the right."""
    below = {float(r["text"]): r["x"] for r in rows(spec, "text", "x") if r["y"] == 394.0}
    beside = {float(r["text"]): r["y"] for r in rows(spec, "text", "x") if r["x"] == 46.0}

    assert list(below.values()) == sorted(below.values())
    assert list(beside.values()) == sorted(beside.values(), reverse=True)

    def linear(found):
        (a, pa), *_, (b, pb) = found.items()
        return lambda p: a + (p - pa) * (b - a) / (pb - pa)

    return linear(below), linear(beside)


def test_points_and_intervals_stand_where_the_numbers_are(task, spec):
    x, y = to_percent(spec)
    dots = [r for r in rows(spec, "shape") if "x" in r]
    assert [(x(r["x"]), y(r["y"])) for r in dots] == [
        pytest.approx((100 * p.canonical, 100 * p.variant)) for p in task.questions.plane.points
    ]
    spans = [(x(r["x"]), y(r["y"]), x(r["x2"]), y(r["y2"])) for r in rows(spec, "x2", "y2")]
    for p in task.questions.plane.points:
        c, v = 100 * p.canonical, 100 * p.variant
        across = (100 * p.canonical_interval.low, v, 100 * p.canonical_interval.high, v)
        up = (c, 100 * p.variant_interval.low, c, 100 * p.variant_interval.high)
        for expected in (across, up):
            assert any(s == pytest.approx(expected) for s in spans)


def test_the_line_is_drawn_as_far_as_its_checkpoints_reach(task, spec):
    x, y = to_percent(spec)
    plane = task.questions.plane
    (layer,) = [v for v in spec["layer"] if v["mark"].get("strokeWidth") == 1.6]
    ends = layer["data"]["values"][0], layer["data"]["values"][-1]
    own = [p.canonical for p in plane.points if p.role == "on the line"]
    assert len(own) == 3  # the fourth one is not above chance
    assert x(ends[0]["x"]) == pytest.approx(100 * min(own))
    assert x(ends[1]["x2"]) == pytest.approx(100 * max(own))
    at = special.logit((plane.n * max(own) + 0.5) / (plane.n + 1))
    assert y(ends[1]["y2"]) == pytest.approx(
        100 * special.expit(plane.line.intercept + plane.line.slope * at)
    )


def test_both_axes_show_one_range_with_everything_inside(spec):
    x, y = to_percent(spec)
    (diagonal,) = [v["data"]["values"] for v in spec["layer"] if v["mark"].get("strokeDash")]
    (row,) = diagonal
    assert (x(row["x"]), x(row["x2"])) == pytest.approx((y(row["y"]), y(row["y2"])))
    for r in rows(spec, "x2", "y2"):
        assert all(54.0 <= r[k] <= 434.0 for k in ("x", "x2"))
        assert all(-1e-9 <= r[k] <= 380.0 for k in ("y", "y2"))


def test_who_is_not_on_the_line_is_hollow_and_says_why(task):
    plane = task.questions.plane
    changed = replace(plane.points[0], role="reference model")
    plane = replace(plane, points=(changed, *plane.points[1:]), line=None, reason="no line: why")
    spec = plane_chart(replace(task, questions=replace(task.questions, plane=plane)), "t").to_dict()
    fills = [r["fill"] for r in rows(spec, "shape") if "x" in r]
    assert [f == "transparent" for f in fills] == [True, False, False, True]
    words = {r["text"] for r in rows(spec, "text")}
    assert "kennethp97/v7-grpo-14b  (reference model)" in words
    assert "smollm2-135m  (not above chance)" in words
    assert "no line: why" in words
    assert not [
        v for v in spec["layer"] if v["mark"].get("strokeWidth") == 1.6 and v["data"]["values"]
    ]


def test_nothing_changed_nothing_drawn(make_task):
    none = make_task(checkpoints=1, applicable=0.0, most=0)
    assert plane_chart(none, "t") is None
    assert robustness_table(none).rows == ()


def test_table(task):
    found = robustness_table(task)
    for row, p in zip(found.rows, task.questions.plane.points, strict=True):
        assert row == (
            p.checkpoint, p.role, percent(p.canonical), shares(p.canonical_interval),
            percent(p.variant), shares(p.variant_interval), "–", "–",
        )  # fmt: skip
    assert found.rows[3][1] == "not above chance"
    assert found.meaning.endswith("Here: line through 3 checkpoints on the logit scale.")
    assert "over the 240 of 240 items" in found.meaning


def test_effective_robustness_is_in_the_table_with_nine(make_task):
    names = tuple(f"c{k}" for k in range(9))
    # Only four fragilities are known to the builder: the others repeat them by their numbers.
    four = make_task(checkpoints=4, names=names, variants=TYPO, most=0)
    point = four.questions.plane.points[0]
    told = effective("c0")
    plane = replace(four.questions.plane, points=(point,), robustness=(told,))
    (row,) = robustness_table(replace(four, questions=replace(four.questions, plane=plane))).rows
    assert row[6:] == (points(told.estimate), span(told.interval))


def effective(target):
    """The real thing, on nine checkpoints."""
    import numpy as np

    from oodrop.reports.statistics import PairedScores, effective_robustness

    rng = np.random.default_rng(3)
    names = tuple(f"c{k}" for k in range(9))
    canonical = (rng.random((9, 200)) < np.linspace(0.5, 0.9, 9)[:, None]) * 1.0
    scores = canonical * (rng.random((9, 200)) < 0.9)
    paired = PairedScores(
        task="t",
        metric="acc",
        chance=0.25,
        checkpoints=names,
        variants=TYPO,
        item_ids=tuple(map(str, range(200))),
        clusters=np.arange(200) // 4,
        canonical=canonical,
        scores=scores[:, None],
        changed=np.ones((1, 200), bool),
    )
    return effective_robustness(paired, target, [n for n in names if n != target])
