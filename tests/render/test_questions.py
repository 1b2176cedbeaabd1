"""The tables of questions hold the numbers of the answers, and every renderer shows them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from oodrop.reports.render import print_report, report_html, summary_markdown
from oodrop.reports.render.points import percent, points, span
from oodrop.reports.render.questions import deciding_tables, question_tables
from oodrop.reports.statistics import ALL, VariantInfo

LADDER = tuple(
    VariantInfo(f"lexical_keyboard_typo_s{s}", "lexical.keyboard_typo", "lexical", s, "checked")
    for s in (1, 3, 5)
)
BANK = tuple(
    VariantInfo(f"phrasing_template_t0{t}", "phrasing.template", "phrasing", None, "proved")
    for t in range(4)
)
NEGATION = VariantInfo("control_negation", "control.negation", "control", None, "proved")


@pytest.fixture(scope="module")
def asked(make_task):
    return make_task(checkpoints=3, variants=(*LADDER, *BANK, NEGATION))


def by_title(task):
    return {table.title: table for table in question_tables(task)}


def test_every_question_has_its_rows(asked):
    tables = by_title(asked)
    questions = asked.questions
    assert [len(t.rows) for t in tables.values()] == [
        *map(len, (questions.contrasts, questions.ranks, questions.worst)),
        *map(len, (questions.plane.points, questions.severity, questions.consistency)),
        *map(len, (questions.sensitivity, questions.relative, questions.templates)),
    ]
    assert len(questions.sensitivity) == 3
    assert len(questions.contrasts) == 3 * 3  # pairs x (lexical, phrasing, all)
    assert len(questions.templates) == 3
    for table in tables.values():
        assert all(len(row) == len(table.header) for row in table.rows)


def test_cells_say_what_was_found(asked):
    tables = by_title(asked)
    for row, found in zip(
        tables["Which of two loses more"].rows, asked.questions.contrasts, strict=True
    ):
        mark = " *" if found.interval.excludes(0.0) else ""
        assert row[:2] == (found.a, found.b)
        assert row[2] == ("all natural variants" if found.name == ALL else found.name)
        assert row[3:5] == (points(found.estimate) + mark, span(found.interval))
    for row, found in zip(
        tables["Does it notice a changed meaning?"].rows, asked.questions.sensitivity, strict=True
    ):
        assert row[:3] == (found.checkpoint, "control_negation", str(found.noticed.n))
        rates = (found.before, found.after, found.noticed, found.blind)
        assert (*row[3:6], row[7]) == tuple(percent(rate.estimate) for rate in rates)
    place = tables["Places by accuracy on the variants"].rows
    assert {row[0] for row in place} == {r.checkpoint for r in asked.questions.ranks}
    slope = tables["How drops grow with severity"].rows[0]
    assert slope[3].startswith("1: ")
    assert slope[3].count(":") == 3


def test_every_renderer_shows_them(asked, make_report):
    report, screen = make_report(asked), io.StringIO()
    page, text = report_html(report), summary_markdown(report)
    print_report(report, Console(file=screen, width=200))
    for table in question_tables(asked):
        assert table.title in page
        assert table.title in text
        assert (table.title in screen.getvalue()) == (table in deciding_tables(asked))


def test_a_single_checkpoint_is_not_compared(make_task):
    titles = by_title(make_task(checkpoints=1))
    assert "Which of two loses more" not in titles
    assert "Places by accuracy on the variants" not in titles
    assert "The largest drop of any natural variant" in titles


def test_guessing_has_nothing_to_lose(make_task):
    task = make_task(checkpoints=4, accuracy=(0.8, 0.75, 0.7, 0.15))
    guessing = [a.checkpoint for a in task.analysis.accuracies if a.uninformative]
    assert guessing == ["smollm2-135m"]
    told = {name for c in task.questions.contrasts for name in (c.a, c.b)}
    assert told == {a.checkpoint for a in task.analysis.accuracies} - {*guessing}


def test_no_natural_variant_no_question(make_task):
    rerun = (VariantInfo("control_rerun", "control.rerun", "control", None, "proved"),)
    assert question_tables(make_task(variants=rerun)) == ()
