"""Pairs of checkpoints: sentences and table say what was found, and count what was not asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oodrop.reports.render import report_html, summary_markdown
from oodrop.reports.render.charts import TaskCharts
from oodrop.reports.render.pairs import pair_findings, pair_table
from oodrop.reports.render.points import points, span
from oodrop.reports.statistics import ALL

A, B = "kennethp97/v7-grpo-14b", "kennethp97/b5-sft-7b"


@pytest.fixture(scope="module")
def task(make_task):
    """Two checkpoints of one ceiling, of which the first breaks, and two weaker ones."""
    return make_task(
        checkpoints=4, items=1500, clusters=250, accuracy=(0.81, 0.82, 0.6, 0.7), most=0
    )


def with_pairs(task, **changes):
    pairs = replace(task.questions.pairs, **changes)
    return replace(task, questions=replace(task.questions, pairs=pairs))


def judged(task, verdict):
    asked = tuple(replace(q, verdict=verdict) for q in task.questions.pairs.asked)
    return pair_findings(with_pairs(task, asked=asked))[0]


def test_a_sentence_per_pair_and_the_others_counted(task):
    first, others = pair_findings(task)
    (question,) = [q for q in task.questions.pairs.asked if q.name == ALL]
    more = f"{100 * question.points.estimate:.1f}"
    assert (first.tone, first.lead) == ("drop", f"{A} loses {more} points more")
    low, high = (100 * v for v in (question.points.interval.low, question.points.interval.high))
    assert (
        f" than {B} under all natural variants (95% interval {low:.1f} to {high:.1f})" in first.rest
    )
    ceilings = question.ceilings
    assert (
        f"({points(ceilings.estimate)} points {span(ceilings.interval)}, within 3 points)"
        in first.rest
    )
    assert "; by family lexical (+" in first.rest
    assert others.text.startswith("5 of 6 pairs not compared: ")
    differ = sum(bool(c.different) for c in task.questions.pairs.ceilings if not c.equivalent)
    assert differ == 5
    assert others.rest.startswith(": 5 with different canonical accuracies (")
    assert f"; {named(apart(task)[-1])})" in others.rest


def apart(task):
    return [c for c in task.questions.pairs.ceilings if not c.equivalent]


def named(found):
    return f"{found.a} and {found.b}, {points(found.estimate)}"


def test_why_pairs_are_not_compared(task):
    differ = apart(task)
    unclear = tuple(replace(c, different=False) for c in differ)
    (both,) = pair_findings(with_pairs(task, asked=(), ceilings=(*unclear[:2], *differ[2:])))
    assert both.rest == (
        f": 3 with different canonical accuracies ({'; '.join(map(named, differ[2:]))}), "
        "2 not shown to be equivalent within 3 points "
        f"({'; '.join(map(named, unclear[:2]))})"
    )
    (only,) = pair_findings(with_pairs(task, asked=(), ceilings=unclear[:1]))
    assert only.text == (
        "1 of 1 pair not compared: 1 not shown to be equivalent within 3 points "
        f"({named(unclear[0])})"
    )
    (many,) = pair_findings(with_pairs(task, asked=(), ceilings=unclear[:1] * 7))
    assert many.rest == ": 7 not shown to be equivalent within 3 points"


def test_other_verdicts_have_their_own_words(task):
    calm = judged(task, "no_difference_seen")
    assert (calm.tone, calm.lead) == ("no drop shown", "no difference of drops seen")
    assert calm.rest.startswith(f" between {A} and {B} under all natural variants")
    assert "by family" not in calm.rest
    for verdict, lead in (
        ("scale_dependent", "points and logits disagree"),
        ("cannot_tell", "cannot be told"),
    ):
        found = judged(task, verdict)
        assert (found.tone, found.lead) == ("no verdict", lead)


def test_at_most_six_sentences_different_ones_first(task):
    (question,) = [q for q in task.questions.pairs.asked if q.name == ALL]
    calm = replace(question, verdict="no_difference_seen")
    found = pair_findings(with_pairs(task, asked=(*[calm] * 7, question), ceilings=()))
    assert [f.tone for f in found] == ["drop", *["no drop shown"] * 5, "no verdict"]
    assert found[-1].text == "2 more pairs in the table"


def test_none_equivalent_is_still_counted(task):
    (only,) = pair_findings(with_pairs(task, asked=(), ceilings=task.questions.pairs.ceilings[1:]))
    assert only.lead == "5 of 5 pairs not compared"
    assert pair_table(with_pairs(task, asked=())).rows == ()


def test_nothing_to_say_of_one_checkpoint(make_task):
    one = make_task(checkpoints=1, most=0)
    assert pair_findings(one) == ()
    assert pair_table(one).rows == ()


def test_table(task):
    table = pair_table(task)
    asked = task.questions.pairs.asked
    assert len(table.rows) == len(asked) == 4  # three families and all of them
    for row, q in zip(table.rows, asked, strict=True):
        assert row[:2] == (A, B)
        assert row[2] == ("all natural variants" if q.name == ALL else q.name)
        assert row[4:8] == (
            points(q.ceilings.estimate), span(q.ceilings.interval),
            points(q.points.estimate), span(q.points.interval),
        )  # fmt: skip
        assert row[8] == f"{q.logits.estimate:+.2f} [{q.logits.low:+.2f}, {q.logits.high:+.2f}]"
    assert "within 3 points" in table.meaning


def test_page_and_summary_show_both(task, make_report):
    report = make_report(task)
    page, text = report_html(report, [TaskCharts(None, None)]), summary_markdown(report)
    first = pair_findings(task)[0]
    assert f"</span> {first.lead}</strong>{first.rest}." in page
    assert page.index("Pairs with one ceiling") < page.index('id="task-1"')
    assert "Same ceiling, different drop?" in page
    assert f"- Pairs with one ceiling: **{first.lead}**" in text
    assert "### Same ceiling, different drop?" in text
