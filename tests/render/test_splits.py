"""Split drops in every form of the report."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from oodrop.reports.render import print_report, report_html, summary_markdown, write_report
from oodrop.reports.render.csvfile import SPLIT_COLUMNS, split_drops_csv
from oodrop.reports.render.points import points, span
from oodrop.reports.render.splits import split_finding, split_pairs, split_table
from oodrop.reports.statistics import PairedScores, split_contrast, split_drop

LOSES = (
    "loses 53.8 points on procedural_heldout against procedural (95% interval 44.3 to 61.6; "
    "77.1% of 240 items in 40 clusters against 23.3% of 240 items in 40 clusters); on "
    "procedural_heldout it is not above chance"
)


@pytest.fixture
def drops(report):
    return report.split_drops


def test_the_finding_says_how_much_and_on_what_it_rests(drops):
    assert split_finding(drops[0]).text == LOSES
    assert split_finding(drops[0]).tone == "drop"
    assert split_finding(drops[1]).tone == "no drop shown"
    assert (
        "no drop shown on procedural_heldout against procedural: -0.4 points (95% interval -8.9"
        in (split_finding(drops[1]).text)
    )
    high = 100 * drops[1].headline.high
    assert f"; a drop of up to {high:.1f} points is not ruled out" in split_finding(drops[1]).text


def test_a_checkpoint_at_chance_has_nothing_to_lose(drops):
    guesses = replace(drops[0].inside, above_chance=False)
    finding = split_finding(split_drop(guesses, drops[0].outside))
    assert finding.tone == "uninformative"
    assert "not above chance on procedural (77.1% [" in finding.text


def test_a_gain_and_what_has_no_interval(drops):
    gained = split_finding(split_drop(drops[0].outside, drops[0].inside))
    assert gained.tone == "uninformative"  # what it gained from was chance
    better = replace(drops[0].outside, above_chance=True)
    assert split_finding(split_drop(better, drops[0].inside)).tone == "gain"
    few = split_drop(drops[0].inside, replace(drops[0].outside, interval=None))
    assert split_finding(few).tone == "no verdict"
    assert "no interval: 40.0 and 40.0 effective clusters" in split_finding(few).text


def test_sentences_of_many_checkpoints_are_folded(report, make_report, drops):
    folded = "<summary>In words: 5 checkpoints</summary>"
    many = tuple(replace(drops[k % 4], checkpoint=f"c{k}") for k in range(5))
    page = report_html(make_report(split_drops=many))
    assert folded in page
    assert all(page.count(f"<h4>{d.checkpoint}</h4>") == 1 for d in many)
    assert "<summary>In words" not in report_html(make_report(split_drops=many[:4]))


def test_the_page_has_verdict_and_table(report, page, parse_html):
    for drop in report.split_drops:
        assert split_finding(drop).rest in page
    assert '<a href="#split-1">procedural against procedural_heldout</a>' in page
    assert page.count('id="split-1"') == 1
    (table,) = (t for t in page.split("<table") if "Welch interval</th>" in t)
    assert table.count("<tr>") == 1 + len(report.split_drops)
    assert table.count('class="lead"') == len(report.split_drops)


def test_a_report_without_held_out_items_says_nothing_of_them(report, charts):
    plain = replace(report, split_drops=())
    assert "split" not in report_html(plain, charts).casefold().replace("splitter", "")
    assert "against procedural" not in summary_markdown(plain)


def test_markdown_has_verdict_and_table(report):
    text = summary_markdown(report)
    assert "- kennethp97/v7-grpo-14b: **loses 53.8 points**" in text
    (row,) = (r for r in text.splitlines() if r.startswith("| kennethp97/v7-grpo-14b | 77.1% ["))
    assert "| +53.8 \\* [+44.3, +61.6] |" in row
    assert text.index("## Verdict: procedural against procedural_heldout") < text.index(
        "## procedural\n"
    )


def test_the_terminal_says_it_too(report):
    console = Console(width=400, record=True, file=io.StringIO())
    print_report(report, console)
    assert f"kennethp97/v7-grpo-14b: {LOSES}" in console.export_text()


def test_the_csv_has_one_row_each(report, hostile_report, tmp_path):
    rows = list(csv.DictReader(io.StringIO(split_drops_csv(report)), strict=True))
    assert list(rows[0]) == list(SPLIT_COLUMNS)
    assert [r["split_drop_points"] for r in rows] == [
        f"{100 * d.estimate:.2f}" for d in report.split_drops
    ]
    assert rows[0]["headline_low"] == rows[0]["score_low"] == "44.27"
    assert rows[0]["headline"] == "mover"
    hostile = list(csv.DictReader(io.StringIO(split_drops_csv(hostile_report)), strict=True))
    assert all(r[name].startswith("'=1+1") for r in hostile for name in ("task", "checkpoint"))
    written = {path.name for path in write_report(report, tmp_path / "a")}
    assert "split_drops.csv" in written
    written = {path.name for path in write_report(replace(report, split_drops=()), tmp_path / "b")}
    assert "split_drops.csv" not in written


def test_pairs_keep_their_order(report, drops):
    other = replace(drops[0], heldout="elsewhere")
    pairs = split_pairs(replace(report, split_drops=(drops[0], other, drops[1])))
    assert [(p.label, len(p.drops)) for p in pairs] == [
        ("procedural against procedural_heldout", 2),
        ("procedural against elsewhere", 1),
    ]
    assert len({p.anchor for p in pairs}) == 2


def test_contrasts_of_split_drops_are_in_every_form(report, drops):
    rng = np.random.default_rng(4)

    def scores(task):
        return PairedScores(
            task=task,
            metric="acc",
            chance=0.25,
            checkpoints=("one", "two"),
            variants=(),
            item_ids=tuple(f"{task}{k}" for k in range(200)),
            clusters=np.arange(200) // 4,
            canonical=(rng.random((2, 200)) < [[0.9], [0.6]]) * 1.0,
            scores=np.empty((2, 0, 200)),
            changed=np.empty((0, 200), bool),
        )

    made = split_contrast(scores("procedural"), scores("procedural_heldout"), "one", "two")
    whole = replace(report, split_contrasts=(made,))
    (pair,) = split_pairs(whole)
    (row,) = split_table(pair.contrasts).rows
    assert row[:4] == ("one", "two", "procedural", "procedural_heldout")
    assert row[4].startswith(points(made.estimate))
    assert row[5:] == (span(made.headline), span(made.welch))
    screen = io.StringIO()
    print_report(whole, Console(file=screen, width=200))
    for text in (report_html(whole), summary_markdown(whole), screen.getvalue()):
        assert "Which of two loses more on held-out items" in text
        assert span(made.welch) in text
    for text in (report_html(report), summary_markdown(report)):
        assert "Which of two loses more on held-out items" not in text
