"""Hostile texts through the page and the drawings."""

import re

import pytest

from oodrop.reports.render import report_html
from oodrop.reports.render.charts import draw

HIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069\ufeff\ud800]")


@pytest.fixture(scope="module")
def drawn(hostile_report):
    return draw(hostile_report)


@pytest.fixture(scope="module")
def attacked(hostile_report, drawn):
    return report_html(hostile_report, drawn)


def test_the_page_gains_no_tag_and_no_attribute(attacked, page, parse_html):
    parsed, plain = parse_html(attacked), parse_html(page)
    assert parsed.open == []
    assert {t for t, _ in parsed.tags} <= {t for t, _ in plain.tags} | {"del", "ins"}
    names = {name for _, attrs in parsed.tags for name in attrs}
    assert names <= {name for _, attrs in plain.tags for name in attrs}


def test_the_texts_are_shown_in_full(attacked, parse_html):
    parsed = parse_html(attacked)
    shown = "".join(parsed.texts["pre"])
    assert "<script>alert(1)</script></style></title></pre></svg><img" in shown
    assert "{{ 7*7 }}{% x %}" in shown
    assert "⟨NUL⟩⟨BEL⟩⟨ESC⟩[31m⟨U+009B⟩⟨CR⟩\n::error::x⟨U+2028⟩⟨U+2029⟩⟨U+202E⟩" in shown
    (title,) = ("".join(parsed.texts["title"]),)
    assert title.startswith("=1+1<script>")


def test_no_hidden_character_is_left(attacked, drawn):
    assert not HIDDEN.search(attacked)
    for svg in (drawn[0].forest, drawn[0].heatmap):
        assert not HIDDEN.search(svg)
    attacked.encode()


def test_drawings_stay_well_formed(drawn, parse_svg):
    for svg in (drawn[0].forest, drawn[0].heatmap):
        tags = {e.tag.rpartition("}")[2] for e in parse_svg(svg).iter()}
        assert tags <= {"svg", "style", "g", "path", "line", "text", "rect"}


def test_a_label_cannot_leave_its_attribute(drawn, parse_svg):
    root = parse_svg(drawn[0].forest)
    assert set(root.attrib) == {"role", "aria-label", "width", "height", "viewBox"}
    assert "<script>" in root.get("aria-label")
