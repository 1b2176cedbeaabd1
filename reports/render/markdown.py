"""The report as Markdown for the step summary of a CI run, most important first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from oodrop.reports.model import Report, TaskReport
from oodrop.reports.render.engagement import remarks, repeats_words
from oodrop.reports.render.flags import flag_notes
from oodrop.reports.render.labels import task_labels
from oodrop.reports.render.pairs import pair_findings
from oodrop.reports.render.points import (
    accuracy_span,
    changed_words,
    count,
    excludes_zero,
    floor_words,
    level_words,
    percent,
    points,
    span,
)
from oodrop.reports.render.questions import question_tables
from oodrop.reports.render.rows import Row, checkpoint_names, rows
from oodrop.reports.render.splits import MEANING, SplitPair, split_finding, split_pairs, split_table
from oodrop.reports.render.tables import Table
from oodrop.reports.render.text import one_line
from oodrop.reports.render.verdict import Finding, verdicts
from oodrop.reports.statistics import Drop

# GitHub loses a step summary of more than 1 MiB as a whole; this leaves room for many of them.
LIMIT = 60_000
# Whatever Markdown, GitHub (mentions, issues, mathematics, links, emoji) or HTML gives a meaning.
_SPECIAL = re.compile(r"[\\`*\[\]|~$<>&@#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=\S)|(?<=[wW])\.")
# Sentences on replies per task: the others are in the other files.
_REMARKS = 8
_CUT = (
    "\nCut here to stay within {limit:,} characters; report.html and report.json hold the rest.\n"
)


def summary_markdown(report: Report, limit: int = LIMIT) -> str:
    """Verdicts, notes and tables in at most `limit` characters, cut with a sentence saying so."""
    return within(list(_lines(report)), limit, _CUT.format(limit=limit))


def within(lines: Sequence[str], limit: int, ending: str) -> str:
    """The lines, or as many of them as fit into `limit` characters with the ending below."""
    whole = "".join(f"{line}\n" for line in lines)
    if len(whole) <= limit:
        return whole
    room, kept = limit - len(ending), []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(f"{line}\n")
    return ("".join(kept) + ending)[:limit]


def escaped(text: str) -> str:
    """`text` in one line as plain Markdown text, also inside a table."""
    return _SPECIAL.sub(lambda match: f"&#{ord(match.group())};", one_line(text))


def _lines(report: Report) -> Iterator[str]:
    labels = [escaped(label) for label in task_labels(report)]
    yield f"# {escaped(report.title)}"
    for task, label in zip(report.tasks, labels, strict=True):
        yield from ("", f"## Verdict: {label}", "")
        yield from _verdicts(task)
    for pair in split_pairs(report):
        yield from ("", f"## Verdict: {escaped(pair.label)}", "")
        for drop in pair.drops:
            yield _finding(drop.checkpoint, split_finding(drop))
    for note in report.notes:
        yield from ("", f"**Note:** {escaped(note)}")
    for task, label in zip(report.tasks, labels, strict=True):
        yield from ("", f"## {label}", "")
        if words := repeats_words(task):
            yield from (escaped(words), "")
        yield from _accuracies(task)
        yield from _drops(task)
        for question in question_tables(task):
            yield from table_lines(question)
        yield from _replies(task)
        yield from _flags(task)
        yield from _outcomes(task)
    for pair in split_pairs(report):
        yield from _splits(pair)
    if not report.tasks:
        yield from ("", "This report holds no task.")
    yield from ("", f"Made by oodrop {escaped(report.oodrop_version)}.")


def _verdicts(task: TaskReport) -> Iterator[str]:
    for verdict in verdicts(task):
        for finding in verdict.findings:
            yield _finding(verdict.checkpoint, finding)
    for finding in pair_findings(task):
        yield _finding("Pairs with one ceiling", finding)


def _finding(checkpoint: str, finding: Finding) -> str:
    return f"- {escaped(checkpoint)}: **{escaped(finding.lead)}**{escaped(finding.rest)}."


def _table(header: list[str], right: int) -> Iterator[str]:
    """Header and rule of a table whose last `right` columns are numbers."""
    left = len(header) - right
    yield _row(header)
    yield _row(["---"] * left + ["---:"] * right)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _accuracies(task: TaskReport) -> Iterator[str]:
    analysis = task.analysis
    level = level_words(analysis.level)
    yield from _table(["checkpoint", "noise floor", "canonical accuracy", level, "items"], 3)
    for accuracy, floor in zip(analysis.accuracies, analysis.noise_floor, strict=True):
        low = ", **uninformative (not above chance)**" if accuracy.uninformative else ""
        yield _row(
            [
                escaped(accuracy.checkpoint) + low,
                floor_words(floor),
                percent(accuracy.estimate),
                accuracy_span(accuracy),
                f"{accuracy.n:,} in {count(accuracy.clusters, 'cluster')}",
            ]
        )
    yield ""


def _drops(task: TaskReport) -> Iterator[str]:
    found = rows(task)
    if not found:
        yield "No variants were run, so there is no drop."
        return
    level = level_words(task.analysis.level)
    yield f"Drop in points with the headline {level}; \\* where it excludes 0."
    yield ""
    names = [escaped(name) for name in checkpoint_names(task)]
    yield from _table(["variant or family", "evidence", "changed items", *names], len(names) + 1)
    for row in found:
        yield _drop_row(row)


def _drop_row(row: Row) -> str:
    name = escaped(row.label)
    name = f"**{name}**" if row.kind == "family" else name
    changed = changed_words(row.any_drop) if row.any_drop else ""
    cells = [_cell(drop) for drop in row.drops]
    note = f" ({row.note})" if row.note else ""
    return _row([name + note, row.evidence or "unknown", changed, *cells])


def _cell(drop: Drop | None) -> str:
    if drop is None:
        return ""
    mark = " \\*" if excludes_zero(drop) else ""
    return f"{points(drop.estimate)}{mark} {span(drop.headline)}"


def table_lines(question: Table) -> Iterator[str]:
    """Title, meaning and rows of a table of words."""
    yield from ("", f"### {escaped(question.title)}", "", escaped(question.meaning), "")
    yield from _table([escaped(name) for name in question.header], question.numbers)
    for row in question.rows:
        words, numbers = row[: question.words], row[question.words :]
        # Numbers are our own words: nothing in them comes from a file.
        yield _row([*map(escaped, words), *(cell.replace("*", "\\*") for cell in numbers)])


def _splits(pair: SplitPair) -> Iterator[str]:
    yield from ("", f"## {escaped(pair.label)}", "", MEANING, "")
    header = [
        "checkpoint",
        escaped(pair.task),
        escaped(pair.heldout),
        "split drop",
        "Welch interval",
    ]
    yield from _table(header, 4)
    for drop in pair.drops:
        mark = " \\*" if excludes_zero(drop) else ""
        accuracies = [
            f"{percent(a.estimate)} {accuracy_span(a)}" for a in (drop.inside, drop.outside)
        ]
        figure = f"{points(drop.estimate)}{mark} {span(drop.headline)}"
        yield _row([escaped(drop.checkpoint), *accuracies, figure, span(drop.welch)])
    if pair.contrasts:
        yield from table_lines(split_table(pair.contrasts))


def _replies(task: TaskReport) -> Iterator[str]:
    found = remarks(task)
    if found:
        yield ""
    for name, text in found[:_REMARKS]:
        yield f"- Replies of {escaped(name)}: {escaped(text)}."
    if len(found) > _REMARKS:
        yield f"- and {len(found) - _REMARKS} more on replies in report.html and engagement.csv."


def _flags(task: TaskReport) -> Iterator[str]:
    notes = flag_notes(task)
    if notes:
        yield ""
    for note in notes:
        yield f"- Flag **{escaped(note.flag)}**: {escaped(note.meaning)} ({escaped(note.where)})."


def _outcomes(task: TaskReport) -> Iterator[str]:
    if not task.outcomes:
        return
    yield ""
    yield from _table(
        ["variant", "changed", "unchanged", "not applicable", "refused", "not asked"], 5
    )
    for info in task.variants:
        if (o := task.outcomes.get(info.slug)) is not None:
            counts = (o.changed, o.unchanged, o.not_applicable, o.refused, o.not_asked)
            yield _row([escaped(info.slug), *map(str, counts)])
