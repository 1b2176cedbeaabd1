"""drops.csv."""

import csv
import io

import pytest

from oodrop.reports.render import drops_csv
from oodrop.reports.render.csvfile import COLUMNS, guarded


def read(report):
    return list(csv.DictReader(io.StringIO(drops_csv(report)), strict=True))


def test_one_row_per_drop_with_both_intervals(report):
    rows = read(report)
    drops = [d for t in report.tasks for d in t.analysis.drops]
    assert len(rows) == len(drops)
    assert list(rows[0]) == list(COLUMNS)
    first = drops[0]
    row = rows[0]
    assert row["name"] == first.name
    assert row["drop_points"] == f"{100 * first.estimate:.2f}"
    assert row["bootstrap_low"] == f"{100 * first.bootstrap.low:.2f}"
    assert row["score_high"] == f"{100 * first.score.high:.2f}"
    assert row["headline"] == first.headline.method
    assert row["headline_low"] == f"{100 * first.headline.low:.2f}"
    assert row["changed_items"] == "214"
    assert row["headline_reason"] == first.headline_reason
    assert {r["task"] for r in rows} == {
        "procedural",
        "everyday (80 items)",
        "everyday (160 items)",
    }


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "|x", "%x"],
)
def test_formulas_are_guarded(text):
    assert guarded(text).startswith("'")


def test_plain_text_and_numbers_are_left_alone(report):
    assert guarded("lexical_typo-2") == "lexical_typo-2"
    assert any(r["drop_points"].startswith("-") for r in read(report))


def test_hostile_text(hostile_report):
    text = drops_csv(hostile_report)
    text.encode()
    assert len(text.splitlines()) == 1 + len(hostile_report.tasks[0].analysis.drops)
    assert all(r["checkpoint"].startswith("'=1+1") for r in read(hostile_report))


def test_missing_values_are_empty(make_task, make_report):
    rows = read(make_report(make_task(checkpoints=1, applicable=0.0, most=0)))
    assert rows[0]["drop_points"] == rows[0]["bootstrap_low"] == rows[0]["headline_low"] == ""
    assert rows[0]["headline"] == "none"
    assert rows[0]["flags"] == "no_changed_items"
