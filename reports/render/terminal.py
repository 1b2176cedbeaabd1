"""The report in a terminal: one table per task, with what stands above and below it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oodrop.reports.model import Report, TaskReport
from oodrop.reports.render.engagement import repeats_words, reply_lines
from oodrop.reports.render.flags import flag_notes
from oodrop.reports.render.labels import task_labels
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
from oodrop.reports.render.questions import deciding_tables
from oodrop.reports.render.rows import Row, checkpoint_names, rows
from oodrop.reports.render.splits import SplitPair, split_finding, split_pairs, split_table
from oodrop.reports.render.tables import Table as WordTable
from oodrop.reports.render.text import one_line
from oodrop.reports.statistics import Accuracy, Drop

# Room for one checkpoint's column: drop and interval side by side, or one above the other.
_WIDE, _NARROW = 25, 17


def print_report(report: Report, console: Console) -> None:
    """Print `report`; texts from data are shown as they are, never read as markup or codes."""
    _say(console, Text(one_line(report.title), style="bold"))
    for note in report.notes:
        _say(console, Text(f"Note: {one_line(note)}", style="yellow"))
    for task, label in zip(report.tasks, task_labels(report), strict=True):
        _print_task(task, label, console)
    for pair in split_pairs(report):
        _print_splits(pair, console)


def _print_splits(pair: SplitPair, console: Console) -> None:
    _say(console, Text(f"\n{one_line(pair.label)}", style="bold"))
    for drop in pair.drops:
        _say(console, Text(one_line(f"{drop.checkpoint}: {split_finding(drop).text}")))
    if pair.contrasts:
        print_table(split_table(pair.contrasts), console)


def _print_task(task: TaskReport, label: str, console: Console) -> None:
    _say(console, Text(f"\n{label}", style="bold"))
    if words := repeats_words(task):
        _say(console, Text(one_line(words)))
    for accuracy in task.analysis.accuracies:
        _say(console, _accuracy_line(accuracy, task.analysis.metric))
    for table in _tables(task, console.width):
        console.print(table)
    if task.analysis.drops:
        words = level_words(task.analysis.level)
        _say(console, Text(f"Drop in points with the headline {words}; * excludes 0.", "dim"))
    else:
        _say(console, Text("No variants were run.", "yellow"))
    for name, floor in zip(checkpoint_names(task), task.analysis.noise_floor, strict=True):
        _say(console, Text(f"Noise floor, {one_line(name)}: {floor_words(floor)}"))
    for name, line in reply_lines(task):
        _say(console, Text(one_line(f"Replies, {name}: {line}")))
    for question in deciding_tables(task):
        print_table(question, console)
    for note in flag_notes(task):
        _say(console, Text(one_line(f"{note.flag}: {note.meaning} ({note.where})"), "yellow"))


def _say(console: Console, text: Text) -> None:
    console.print(text, highlight=False, soft_wrap=False)


def _accuracy_line(accuracy: Accuracy, metric: str) -> Text:
    line = Text(
        f"{one_line(accuracy.checkpoint)}: canonical accuracy {percent(accuracy.estimate)} "
        f"{accuracy_span(accuracy)} ({one_line(metric)}; chance {percent(accuracy.chance)}; "
        f"{count(accuracy.n, 'item')}, {count(accuracy.clusters, 'cluster')})"
    )
    if accuracy.uninformative:
        line.append("  uninformative (not above chance)", style="bold red")
    return line


def print_table(words: WordTable, console: Console) -> None:
    """Print title, rows and meaning; texts are shown as they are."""
    _say(console, Text(f"\n{words.title}", "bold"))
    table = Table(highlight=False, header_style="bold", box=SIMPLE_HEAD)
    for k, name in enumerate(words.header):
        table.add_column(name, justify="right" if k >= words.words else "left", overflow="fold")
    for row in words.rows:
        table.add_row(*(Text(one_line(cell), overflow="fold") for cell in row))
    console.print(table)
    _say(console, Text(one_line(words.meaning), "dim"))


def _tables(task: TaskReport, width: int) -> Iterator[Table]:
    """One table, or several where the checkpoints do not fit side by side."""
    found, names = rows(task), checkpoint_names(task)
    if not found:
        return
    left = min(max(len(one_line(r.label)) for r in found), 36) + 18
    wide = left + _WIDE * len(names) <= width
    each = len(names) if wide else max(1, (width - left) // _NARROW)
    for first in range(0, len(names), each):
        chosen = range(first, min(first + each, len(names)))
        yield _table(found, [names[k] for k in chosen], chosen, wide=wide)


def _table(found: tuple[Row, ...], names: list[str], chosen: range, *, wide: bool) -> Table:
    table = Table(highlight=False, header_style="bold", box=SIMPLE_HEAD)
    table.add_column("variant", overflow="fold", ratio=1)
    table.add_column("changed", justify="right")
    for name in names:
        table.add_column(
            Text(one_line(name), overflow="fold"),
            justify="right",
            overflow="fold",
            width=(_WIDE if wide else _NARROW) - 2,
        )
    for row, following in zip(found, (*found[1:], None), strict=True):
        last = following is None or _group(following) != _group(row)
        style = "bold" if row.kind == "family" else ""
        cells = [_cell(row.drops[k], wide=wide) for k in chosen]
        table.add_row(*_head(row), *cells, style=style, end_section=last)
    return table


def _group(row: Row) -> str:
    return row.kind if row.kind == "family" else row.family


def _head(row: Row) -> tuple[Text, Text]:
    name = Text(one_line(row.label), overflow="fold")
    if row.note:
        name.append(f" ({row.note})", style="dim")
    return name, Text(changed_words(row.any_drop) if row.any_drop else "")


def _cell(drop: Drop | None, *, wide: bool) -> Text:
    if drop is None or drop.estimate is None:
        return Text("no changed items" if drop else "", style="dim")
    figure = Text(f"{'* ' if excludes_zero(drop) else ''}{points(drop.estimate)}")
    if excludes_zero(drop):
        figure.stylize("red" if drop.estimate > 0.0 else "green")
    return figure.append(f" {span(drop.headline):>15}" if wide else f"\n{span(drop.headline)}")
