"""Drawings: what the specs hold, and what the SVGs look like as documents."""

from dataclasses import replace

import pytest

from oodrop.reports.render.canvas import standalone
from oodrop.reports.render.charts import draw
from oodrop.reports.render.forest import forest
from oodrop.reports.render.heatmap import heatmap
from oodrop.reports.render.points import points


def data(spec, *keys):
    """Rows of all layers that have these keys."""
    layers = spec["layer"]
    return [row for layer in layers for row in layer["data"]["values"] if {*keys} <= row.keys()]


def plot(task, label="t"):
    """The spec of the forest plot; Altair holds it to the schema of Vega-Lite."""
    return forest(task, label).to_dict()


def cells(task, label="t"):
    return heatmap(task, label).to_dict()


@pytest.fixture(scope="module")
def texts(parse_svg):
    return lambda svg: [e.text for e in parse_svg(svg).iter() if e.tag.endswith("text")]


@pytest.fixture(scope="module")
def task(report):
    return report.tasks[0]


@pytest.fixture(scope="module")
def spec(task):
    return plot(task)


def test_forest_draws_both_intervals_of_every_drop(task, spec):
    spans = {(r["x"], r["x2"]) for r in data(spec, "x", "x2", "colour")}
    for drop in task.analysis.drops:
        for interval in (drop.bootstrap, drop.score):
            assert not interval or (100 * interval.low, 100 * interval.high) in spans


def test_forest_headline_is_the_thick_one(task, spec):
    thick = [x for x in spec["layer"] if x["mark"].get("strokeWidth") == 4.0]
    spans = {(r["x"], r["x2"]) for r in thick[0]["data"]["values"]}
    assert spans == {(100 * d.headline.low, 100 * d.headline.high) for d in task.analysis.drops}


def test_forest_lanes_stay_inside_their_rows(task, spec):
    for row in data(spec, "y", "y2"):
        assert 0.0 <= row["y"] <= row["y2"] <= spec["height"]
    lanes = [r["y"] for r in data(spec, "shape") if r["y"] > 0]
    assert len(set(lanes)) == len(lanes) == len(task.analysis.drops)


def test_forest_bands_show_each_noise_floor(task, spec):
    widths = {r["x2"] for r in data(spec, "x2", "y2")}
    assert widths == {100 * f.flip_rate for f in task.analysis.noise_floor}


def test_forest_axis_holds_everything(task, spec):
    low, high = next(x for x in spec["layer"] if "x2" in x["encoding"])["encoding"]["x"]["scale"][
        "domain"
    ]
    ends = [
        v for r in data(spec, "x") if not isinstance(r["x"], str) for v in (r["x"], r.get("x2", 0))
    ]
    assert low < min(ends)
    assert high > max(ends)


def test_forest_words(charts, texts):
    found = texts(charts[0].forest)
    for text in ("Drop in points: procedural", "LEXICAL", "FAMILIES", "lexical family"):
        assert text in found
    assert "214 of 240 items, 40 clusters" in found
    assert "qwen2.5-7b (noise floor 0.4%)" in " ".join(" ".join(found).split())


def test_heat_map_holds_every_number(task, charts, texts):
    found = texts(charts[0].heatmap)
    for drop in task.analysis.drops:
        if drop.kind == "variant":
            mark = " *" if drop.headline.excludes(0.0) else ""
            assert f"{points(drop.estimate)}{mark}" in found
    drawn = data(cells(task), "fill", "centre")
    assert len({(c["x"], c["y"]) for c in drawn}) == 8 * 4


def test_charts_are_labelled_and_take_the_colours_of_the_page(charts):
    for svg in (charts[0].forest, charts[1].heatmap):
        assert svg.startswith('<svg role="img" aria-label="')
        assert 'fill="currentColor"' in svg
        assert 'fill="#000"' not in svg
        assert 'fill="#333"' not in svg
        assert "http" not in svg


def test_a_file_of_its_own_follows_dark_mode(charts, parse_svg):
    root = parse_svg(charts[0].heatmap)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("role") == "img"
    assert "prefers-color-scheme:dark" in standalone(charts[0].heatmap)


def test_no_interval_is_hollow_and_no_changed_item_is_a_dash(make_task):
    few = make_task(checkpoints=1, clusters=4, most=0)
    assert {r["fill"] for r in data(plot(few), "shape") if r["y"] > 0} == {"transparent"}
    none = make_task(checkpoints=1, applicable=0.0, most=0)
    dashes = [c for c in data(cells(none), "fill") if c["text"] == "\u2013"]
    assert {c["fill"] for c in dashes} == {"transparent"}
    assert len({c["centre"] for c in dashes}) == 7
    assert "no changed items" in {r.get("text") for r in data(plot(none), "text")}


def test_nothing_to_draw(make_task, make_report):
    (drawn,) = draw(make_report(make_task(checkpoints=1, variants=(), most=0)))
    assert drawn.forest is None
    assert drawn.heatmap is None


def test_no_noise_floor(make_task):
    task = make_task(checkpoints=1, most=0)
    task = replace(task, analysis=replace(task.analysis, noise_floor=(None,)))
    assert not data(plot(task), "x2", "y2")
    assert any("noise floor not measured" in r["text"] for r in data(plot(task), "text"))


def test_long_names_are_shortened(make_task):
    names = ("organisation/" + "very-long-checkpoint-name-" * 5,)
    task = make_task(checkpoints=1, names=names, most=0)
    assert max(len(r["text"]) for r in data(cells(task, "t" * 300), "text")) < 100
    assert max(len(r["text"]) for r in data(plot(task, "t" * 300), "text")) < 100


def test_the_same_report_gives_the_same_drawings(report, charts):
    assert draw(replace(report, tasks=report.tasks[:1])) == charts[:1]


# --- many checkpoints ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd(make_task):
    names = tuple(f"organisation/checkpoint-number-{k}" for k in range(9))
    return make_task(checkpoints=9, names=names, accuracy=(0.8,) * 9, items=60, most=0)


def test_forest_of_more_checkpoints_than_colours_names_each_lane(task, spec, crowd):
    drawn = plot(crowd)
    marks = sorted(r["y"] for r in data(drawn, "shape") if r["y"] > 0)
    named = [
        r for layer in drawn["layer"] for r in layer["data"]["values"]
        if layer["mark"].get("fontSize") == 9
    ]  # fmt: skip
    assert sorted(r["y"] for r in named) == marks
    assert {r["text"] for r in named} == {f"organisation/…int-number-{k}" for k in range(9)}
    assert all(layer["mark"].get("fontSize") != 9 for layer in spec["layer"])


def test_a_tall_forest_repeats_its_axis_at_every_group(make_task, crowd):
    drawn = plot(crowd)
    heads = {r["y"] for r in data(drawn, "text") if r["text"] in ("LEXICAL", "CONTROL", "FAMILIES")}
    numbers = [r for r in data(drawn, "text", "x") if r["text"].lstrip("+-").isdigit()]
    assert heads < {r["y"] for r in numbers}
    assert all(float(r["text"]) == r["x"] for r in numbers)
    short = plot(make_task(checkpoints=1, most=0))
    assert not [r for r in data(short, "text", "x") if r["text"].lstrip("+-").isdigit()]


def test_the_line_of_no_drop_crosses_no_label(spec):
    labels = {r["y"] for r in data(spec, "text") if r["text"].endswith(("_s2", "family"))}
    (zero,) = [x["data"]["values"] for x in spec["layer"] if x["mark"].get("strokeWidth") == 1.2]
    assert len(labels) == 4
    assert not [(r, y) for r in zero for y in labels if r["y"] < y + 7 and y - 7 < r["y2"]]


def test_heat_map_of_many_checkpoints_has_narrow_cells(task, crowd):
    wide, narrow = cells(task), cells(crowd)
    assert wide["width"] == 4 * 84
    assert narrow["width"] == pytest.approx(740)
    names = tuple(f"c{k}" for k in range(12))
    assert cells(_named(crowd, names))["width"] == pytest.approx(740)
    many = tuple(f"c{k}" for k in range(30))
    assert cells(_named(crowd, many))["width"] == 30 * 58


def _named(task, names):
    """`task` with the first checkpoint's accuracy under each of these names."""
    first = task.analysis.accuracies[0]
    found = tuple(replace(first, checkpoint=name) for name in names)
    return replace(task, analysis=replace(task.analysis, accuracies=found))
