"""The report in a terminal."""

import io
import re

import pytest
from rich.console import Console

from oodrop.reports.render import print_report
from oodrop.reports.render.text import one_line


@pytest.fixture(scope="module")
def shown(report):
    def show(given=report, width=200, **more):
        out = io.StringIO()
        print_report(given, Console(file=out, width=width, **more))
        return out.getvalue()

    return show


def test_each_task_has_accuracies_table_floor_and_flags(report, shown):
    text = shown()
    assert "everyday (80 items)" in text
    assert re.search(r"b5-sft-7b: canonical accuracy \d\d\.\d% \[\d\d\.\d, \d\d\.\d\] \(acc;", text)
    assert "Noise floor, qwen2.5-7b: 0.4% of scores flip on a rerun (1 of 240)" in text
    assert "disagree: one of the two intervals excludes 0" in text
    assert "Note: run r3 was left out: different few-shot count" in text


def test_rows_hold_drop_marker_interval_and_changed(shown):
    row = next(line for line in shown().splitlines() if "lexical_keyboard_typo_s2" in line)
    assert re.search(
        r"214 of 240 +\* \+17\.8 +\[\+12\.\d, \+23\.\d\] +\+1\.4 +\[-2\.2, \+5\.4\]", row
    )


def test_families_come_last_and_bold(report, shown):
    text = shown(force_terminal=True, color_system="standard")
    assert "\x1b[1mlexical family" in text
    assert "\x1b[1mlexical_synonym" not in text
    assert text.index("control_rerun") < text.index("lexical family")


def test_uninformative_in_words(make_task, make_report, shown):
    task = make_task(checkpoints=1, accuracy=(0.26,), most=0)
    assert "uninformative (not above chance)" in shown(make_report(task))
    assert "uninformative (not above chance)" not in shown()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_narrow_terminals_get_more_tables_and_no_cut_numbers(shown, width):
    text = shown(width=width)
    assert max(map(len, text.splitlines())) <= width
    assert len(re.findall("lexical family", text)) >= {60: 6, 80: 4, 120: 3}[width]
    assert "…" not in text


def test_hostile_text_is_shown_and_not_obeyed(hostile, hostile_report, shown):
    text = shown(hostile_report, width=9000)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066\ud800]", text)
    lines = text.splitlines()
    assert lines[0] == one_line(hostile)
    assert lines[1] == f"Note: {one_line(hostile)}"
    assert ":bug:" in text
    assert "⟨ESC⟩[31m" in text
    assert not any(line.startswith("::") for line in text.splitlines())
