"""Severity curves: every estimate and interval is where the scale says, and nowhere else."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from oodrop.reports.render.charts import draw
from oodrop.reports.render.curvescsv import accuracies_csv, severity_csv
from oodrop.reports.render.severity import severity_chart
from oodrop.reports.render.ticks import tick_words, ticks
from oodrop.reports.statistics import VariantInfo

LADDERS = tuple(
    VariantInfo(f"lexical_{name}_s{s}", f"lexical.{name}", "lexical", s, "checked")
    for name in ("keyboard_typo", "synonym", "ocr_noise")
    for s in (1, 3, 5)
)


@pytest.fixture(scope="module")
def task(make_task):
    return make_task(checkpoints=3, variants=LADDERS, most=0)


def rows(spec, *keys):
    return [r for x in spec["layer"] for r in x["data"]["values"] if {*keys} <= r.keys()]


def dots(spec):
    """The marks of the panels, without those of the key."""
    return [r for r in rows(spec, "shape") if "x" in r]


def scale(spec, panel_top):
    """Points from pixels, by two of the panel's own tick labels."""
    found = {
        float(r["text"]): r["y"]
        for r in rows(spec, "text", "x")
        if r["text"].lstrip("+-").isdigit() and panel_top < r["y"] < panel_top + 130 and r["x"] < 44
    }
    (a, ya), (b, yb) = list(found.items())[:2]
    assert (a < b) == (ya > yb)  # a larger drop stands higher
    return lambda y: a + (y - ya) * (b - a) / (yb - ya)


def test_a_panel_per_perturber_and_a_mark_per_point(task):
    spec = severity_chart(task, "t").to_dict()
    names = {r["text"] for r in rows(spec, "text")}
    assert {"lexical.keyboard_typo", "lexical.synonym", "lexical.ocr_noise"} <= names
    assert len(dots(spec)) == sum(len(c.points) for c in task.questions.severity) == 27


def test_marks_and_whiskers_stand_where_the_numbers_are(task):
    spec = severity_chart(task, "t").to_dict()
    points_of = scale(spec, 34.0)
    curve = task.questions.severity[0]
    colour = "#0072b2"
    own = [r for r in dots(spec) if r["colour"] == colour and r["y"] < 164 and r["x"] < 276]
    assert [points_of(r["y"]) for r in own] == pytest.approx(
        [100 * p.estimate for p in curve.points]
    )
    upright = [
        r
        for r in rows(spec, "x2", "y2")
        if r["x"] == r["x2"] and r["colour"] == colour and r["y"] < 164 and r["x"] < 276
    ]
    assert [(points_of(r["y"]), points_of(r["y2"])) for r in upright] == [
        pytest.approx((100 * p.interval.low, 100 * p.interval.high)) for p in curve.points
    ]
    assert [r["x"] for r in own] == [r["x"] for r in upright]
    assert own[1]["x"] - own[0]["x"] == pytest.approx(own[2]["x"] - own[1]["x"])


def test_everything_stays_inside_its_panel(task):
    spec = severity_chart(task, "t").to_dict()
    for row in [*dots(spec), *rows(spec, "x2", "y2")]:
        for x, y in ((row["x"], row["y"]), (row.get("x2", row["x"]), row.get("y2", row["y"]))):
            assert x % 276 >= 44 or x in (276.0, 552.0)
            assert 34 <= y % 198 <= 164


def test_checkpoints_stand_beside_each_other(task):
    spec = severity_chart(task, "t").to_dict()
    assert len({(r["x"], r["y"]) for r in dots(spec)}) == 27
    assert len({r["x"] for r in dots(spec) if r["x"] < 276}) == 9


def test_a_point_without_interval_is_hollow(make_task):
    few = make_task(checkpoints=1, clusters=4, variants=LADDERS, most=0)
    assert {r["fill"] for r in dots(severity_chart(few, "t").to_dict())} == {"transparent"}


def test_no_severities_no_chart(make_task, task):
    assert severity_chart(make_task(checkpoints=1, most=0), "t") is None
    none = tuple(replace(c, n=0) for c in task.questions.severity)
    assert (
        severity_chart(replace(task, questions=replace(task.questions, severity=none)), "t") is None
    )


def test_it_is_on_the_page_with_a_text_alternative(task, make_report, parse_html):
    from oodrop.reports.render import report_html

    report = make_report(task)
    (drawn,) = draw(report)
    assert drawn.severity
    page = report_html(report, [drawn])
    assert drawn.severity in page
    labels = [a["aria-label"] for a in parse_html(page).all("svg")]
    assert any(label.startswith("Severity curves: ") for label in labels)
    assert '<h3 id="task-1-drops-by-severity">Drops by severity</h3>' in page


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-3.2, 31.0, (0.0, 10.0, 20.0, 30.0)),
        (0.0, 100.0, (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)),
        (-1.0, 1.0, (-1.0, -0.5, 0.0, 0.5, 1.0)),
        (62.5, 63.5, (62.6, 62.8, 63.0, 63.2, 63.4)),
    ],
)
def test_ticks_are_round_and_inside(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_tick_words():
    assert tick_words((-10.0, 0.0, 10.0), signed=True) == ("-10", "0", "+10")
    assert tick_words((0.0, 0.5, 1.0)) == ("0.0", "0.5", "1.0")
    assert tick_words((62.6, 62.8)) == ("62.6", "62.8")
    assert tick_words((5.0,)) == ("5",)


def test_csv_has_a_row_per_point(task, make_report):
    rows = list(csv.DictReader(io.StringIO(severity_csv(make_report(task))), strict=True))
    curves = task.questions.severity
    assert len(rows) == sum(len(c.points) for c in curves)
    first, point = rows[0], curves[0].points[0]
    assert (first["checkpoint"], first["perturber"]) == (curves[0].checkpoint, curves[0].perturber)
    assert (first["severity"], first["variants"]) == ("1", "lexical_keyboard_typo_s1")
    assert first["drop_points"] == f"{100 * point.estimate:.2f}"
    assert (first["low"], first["high"]) == (
        f"{100 * point.interval.low:.2f}", f"{100 * point.interval.high:.2f}"
    )  # fmt: skip
    assert first["slope_points"] == f"{100 * curves[0].slope:.2f}"


def test_csv_calculates_nothing(make_task, make_report):
    hostile = tuple(replace(v, perturber="=1+1", slug=f"@{v.slug}") for v in LADDERS[:3])
    task = make_task(checkpoints=1, names=("+cmd",), variants=hostile, most=0)
    for made in (severity_csv, accuracies_csv):
        for row in csv.DictReader(io.StringIO(made(make_report(task)))):
            assert row["checkpoint"] == "'+cmd"
            assert row.get("perturber", "'=1+1") == "'=1+1"
            assert row.get("variants", "'@")[:2] == "'@"


def test_many_checkpoints_get_one_wide_panel_below_the_other(make_task):
    names = tuple(f"c{k}" for k in range(8))
    crowd = make_task(
        checkpoints=8, names=names, accuracy=(0.8,) * 8, variants=LADDERS, items=60, most=0
    )
    spec = severity_chart(crowd, "t").to_dict()
    heads = [r for r in rows(spec, "text", "x") if r["text"].startswith("lexical.")]
    assert len({r["x"] for r in heads}) == 1
    assert len({r["y"] for r in heads}) == 3
    first = [r["x"] for r in dots(spec) if r["y"] < heads[1]["y"]]
    # Three severities of eight marks: every mark has a place of its own.
    assert len({round(x, 3) for x in first}) == 24
