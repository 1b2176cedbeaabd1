"""The report in a folder: every file complete or not there at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from oodrop import DataError
from oodrop.reports.model import Report
from oodrop.reports.render.csvfile import drops_csv, engagement_csv, split_drops_csv
from oodrop.reports.render.curvescsv import accuracies_csv, severity_csv
from oodrop.reports.render.html import report_html
from oodrop.reports.render.jsonfile import flip_lines, report_json
from oodrop.reports.render.labels import file_stems
from oodrop.reports.render.markdown import summary_markdown
from oodrop.reports.writing import write_streamed, write_whole


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write report.html, report.json, summary.md, drops.csv, accuracies.csv and all charts.

    Each chart of each task is there as SVG and PNG; drops.csv holds the numbers of the forest plot
    and the heat map, accuracies.csv those of the accuracy plane, severity.csv those of the severity
    curves, where there are any. Where a task has held-out items in another, split_drops.csv too;
    where one logs how the replies were, engagement.csv. A report that was read from runs has every
    flipped item in flips.jsonl.

    The folder is made where it does not exist. Every file appears in one step under its own name,
    after all of them have been rendered; the paths come back in that order.

    Raises DataError when the folder cannot be written, or a file of the runs has changed since.
    """
    contents = list(_contents(report))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        streamed = [write_streamed(folder / name, flip_lines(report)) for name in _streamed(report)]
        return [*(write_whole(folder / name, data) for name, data in contents), *streamed]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"the report cannot be written to {str(folder)!r}: {reason}") from error


def check_writable(folder: Path) -> None:
    """Make the folder where it does not exist and try it with a file that does not stay.

    Raises DataError when files cannot be created there: better now than after an hour of work.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(f"output folder {folder} cannot be written: {error.strerror}") from None


def _streamed(report: Report) -> list[str]:
    """What may be too large to be held; written first, because reading may fail."""
    return ["flips.jsonl"] if any(task.every_flip for task in report.tasks) else []


def _contents(report: Report) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file: a new output format is one more line here."""
    # Altair takes a second to import: see html.py.
    from oodrop.reports.render.charts import draw, png, standalone

    charts = draw(report)
    yield "report.html", report_html(report, charts, files=True).encode()
    yield "report.json", report_json(report)
    yield "summary.md", summary_markdown(report).encode()
    yield "drops.csv", drops_csv(report).encode()
    if any(task.questions.plane for task in report.tasks):
        yield "accuracies.csv", accuracies_csv(report).encode()
    if any(task.questions.severity for task in report.tasks):
        yield "severity.csv", severity_csv(report).encode()
    if report.split_drops:
        yield "split_drops.csv", split_drops_csv(report).encode()
    if any(task.engagement for task in report.tasks):
        yield "engagement.csv", engagement_csv(report).encode()
    for stem, drawn in zip(file_stems(report), charts, strict=True):
        for name, svg in drawn.drawn():
            yield f"{name}_{stem}.svg", standalone(svg).encode()
            yield f"{name}_{stem}.png", png(svg)
