"""Two checkpoints side by side, as a document and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from oodrop.reports.compare import Comparison, TaskComparison
from oodrop.reports.render.document import Document, Part
from oodrop.reports.render.jsonfile import plain
from oodrop.reports.render.points import NOTHING, count, percent, points, span
from oodrop.reports.render.questions import p_words, starred, under
from oodrop.reports.render.splits import split_table
from oodrop.reports.render.tables import Table
from oodrop.reports.statistics import EngagementQuestion, Interval

SCHEMA = "oodrop-comparison"
SCHEMA_VERSION = "0.1"
VERDICTS = {
    "different_drops": "equivalent ceilings, different drops",
    "no_difference_seen": "equivalent ceilings, no difference of drops seen",
    "scale_dependent": "equivalent ceilings; points and logits do not agree about the drops",
    "ceilings_differ": "the canonical accuracies differ, so drops in points do not compare",
    "ceilings_unclear": "the canonical accuracies were not shown to be equivalent",
    "cannot_tell": "cannot be told",
}


def comparison_document(comparison: Comparison) -> Document:
    """What a reader gets of it, in a terminal or as Markdown."""
    splits = comparison.splits
    held_out = Part("Held-out items", (), (split_table(splits),)) if splits else None
    parts = (
        Part(
            f"{task.task} ({count(task.items, 'item')})",
            tuple(_verdicts(comparison, task)),
            comparison_tables(task),
        )
        for task in comparison.tasks
    )
    return Document(
        f"{comparison.a} against {comparison.b}",
        comparison.notes,
        (*parts, *([held_out] if held_out else [])),
    )


def comparison_json(comparison: Comparison) -> bytes:
    """The comparison as strict JSON with sorted keys, in the unit of the metric."""
    whole = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **plain(comparison)}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def comparison_tables(task: TaskComparison) -> tuple[Table, ...]:
    """Accuracies and drops under every variant, family and all together; empty ones left out."""
    tables = (_contrasts(task), _accuracies(task))
    return tuple(table for table in tables if table.rows)


def _verdicts(comparison: Comparison, task: TaskComparison) -> Iterator[str]:
    ceilings = task.ceilings
    shown = {True: "equivalent", False: "not shown to be equivalent", None: "no interval"}
    yield (
        f"canonical accuracy, {comparison.a} minus {comparison.b}: {points(ceilings.estimate)} "
        f"{span(ceilings.interval)}: {shown[ceilings.equivalent]} within "
        f"{100.0 * comparison.margin:g} points"
    )
    for question in task.questions:
        guessing = " (one of the two is not above chance)"
        beware = guessing if "uninformative" in question.flags else ""
        yield f"under {under(question.name)}: {VERDICTS[question.verdict]}{beware}"


def _contrasts(task: TaskComparison) -> Table:
    questions = {q.name: q for q in task.questions}
    return Table(
        "Drops",
        "Drop of the first minus drop of the second, in points over the same items; * where 0 is "
        "excluded. p is adjusted for all rows (Holm); logits are log-odds.",
        ("Under", "First", "Second", "Contrast", "Interval", "p", "In logits"),
        6,
        tuple(
            (
                under(c.name),
                points(c.drop_a),
                points(c.drop_b),
                starred(c.estimate, c.interval),
                span(c.interval),
                p_words(p),
                _logits(questions.get(c.name)),
            )
            for c, p in zip(task.contrasts, task.contrast_p, strict=True)
        ),
    )


def _accuracies(task: TaskComparison) -> Table:
    return Table(
        "Accuracies",
        "Over the items that the variants changed; difference in points, * where 0 is excluded.",
        ("Under", "First", "Second", "Difference", "Interval"),
        4,
        tuple(
            (
                under(d.name),
                NOTHING if d.accuracy_a is None else percent(d.accuracy_a),
                NOTHING if d.accuracy_b is None else percent(d.accuracy_b),
                starred(d.estimate, d.interval),
                span(d.interval),
            )
            for d in task.accuracies
        ),
    )


def _logits(question: EngagementQuestion | None) -> str:
    if question is None or question.logit_estimate is None:
        return NOTHING
    return f"{question.logit_estimate:+.2f} {_bounds(question.logits)}"


def _bounds(interval: Interval | None) -> str:
    return "no interval" if interval is None else f"[{interval.low:+.2f}, {interval.high:+.2f}]"
