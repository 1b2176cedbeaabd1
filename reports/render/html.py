"""The report as one page that needs nothing else: no network, drawings inside, one small script.

The script hides flipped items that are not asked for. It is ours alone: the page's policy names its
hash, so that a browser runs nothing else, whatever the texts of a run hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment
from markupsafe import Markup, escape

from oodrop.reports.model import Report, TaskReport
from oodrop.reports.render.engagement import (
    MEANING as REPLIES_MEANING,
)
from oodrop.reports.render.engagement import (
    EngagementTable,
    engagement_table,
    remarks,
    repeats_words,
)
from oodrop.reports.render.flags import FlagNote, flag_notes
from oodrop.reports.render.flips import explorer
from oodrop.reports.render.labels import file_stems, task_labels
from oodrop.reports.render.overview import overview
from oodrop.reports.render.pages import TEMPLATES, page_environment, policy
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
    whole,
)
from oodrop.reports.render.questions import question_tables
from oodrop.reports.render.rows import Row, checkpoint_names, rows
from oodrop.reports.render.splits import (
    MEANING,
    OPEN_CHECKPOINTS,
    split_finding,
    split_pairs,
    split_table,
)
from oodrop.reports.render.tables import Table, slug
from oodrop.reports.render.text import visible
from oodrop.reports.render.verdict import Finding, Verdict, verdicts

if TYPE_CHECKING:
    from oodrop.reports.render.charts import TaskCharts

# The parts of a task's section, in order, each named as its heading.
HEADINGS = {
    "accuracies": "Canonical accuracy and noise floor",
    "drops": "Drops and their intervals",
    "flags": "Flags explained",
    "heatmap": "Variants by checkpoint",
    "plane": "Variants against canonical",
    "severity": "Drops by severity",
    "applied": "Where the variants applied, and on which level of evidence",
    "replies": "Parse failures, and how the replies were",
}
SCRIPT = (TEMPLATES / "explorer.js").read_text("utf-8")
_JOINTS = re.compile(r"(?<=[_/,])")
POLICY = policy(SCRIPT)


@dataclass(frozen=True)
class TaskView:
    """One task as the template reads it; `stem` is what its files are named by, "" for none."""

    label: str
    anchor: str
    stem: str
    task: TaskReport
    names: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    rows: tuple[Row, ...]
    flags: tuple[FlagNote, ...]
    forest: Markup | None
    heatmap: Markup | None
    plane: Markup | None
    severity: Markup | None
    pairs: tuple[Finding, ...]
    repeats: str
    engagement: EngagementTable | None
    remarks: tuple[tuple[str, str], ...]
    questions: tuple[Table, ...]
    overview: Table

    @property
    def folded(self) -> bool:
        """Whether what is said of each checkpoint is shown only when asked."""
        return len(self.names) > OPEN_CHECKPOINTS

    @property
    def headings(self) -> tuple[str, ...]:
        """Headings of the parts that there are, in the order of the page."""
        before = {
            "flags": self.flags,
            "heatmap": self.heatmap,
            "plane": self.plane,
            "severity": self.severity,
        }
        after = {"applied": self.task.outcomes, "replies": self.engagement}
        return (
            HEADINGS["accuracies"],
            HEADINGS["drops"],
            *(HEADINGS[name] for name, there in before.items() if there),
            *(table.title for table in self.questions),
            *(HEADINGS[name] for name, there in after.items() if there),
        )


def report_html(
    report: Report, charts: Sequence[TaskCharts] | None = None, *, files: bool = False
) -> str:
    """The page. `charts` are the drawings of `report` where they exist already.

    With `files` it links to the files that `write_report` puts beside it.

    Every text of the report is escaped, with control and bidi characters shown as symbols.
    """
    if charts is None:
        # Altair takes a second to import: only drawing pays for it.
        from oodrop.reports.render.charts import draw

        charts = draw(report)
    named = zip(report.tasks, task_labels(report), file_stems(report), charts, strict=True)
    views = [
        _view(task, label, f"task-{k}", stem if files else "", drawn)
        for k, (task, label, stem, drawn) in enumerate(named, 1)
    ]
    template = _environment().get_template("report.html.j2")
    return template.render(
        report=report,
        tasks=views,
        splits=split_pairs(report),
        split_meaning=MEANING,
        replies_meaning=REPLIES_MEANING,
        explorer=explorer(report),
        files=files,
        policy=POLICY,
        script=Markup(SCRIPT),  # noqa: S704 - our own file
    )


def _view(task: TaskReport, label: str, anchor: str, stem: str, charts: TaskCharts) -> TaskView:
    return TaskView(
        label=label,
        anchor=anchor,
        stem=stem,
        task=task,
        names=checkpoint_names(task),
        verdicts=verdicts(task),
        rows=rows(task),
        flags=flag_notes(task),
        forest=_drawing(charts.forest),
        heatmap=_drawing(charts.heatmap),
        plane=_drawing(charts.plane),
        severity=_drawing(charts.severity),
        pairs=pair_findings(task),
        repeats=repeats_words(task),
        engagement=engagement_table(task),
        remarks=remarks(task),
        questions=question_tables(task),
        overview=overview(task),
    )


def _drawing(svg: str | None) -> Markup | None:
    # Vega escapes the texts inside; tests/render/test_hostile.py holds it to that.
    return None if svg is None else Markup(svg)  # noqa: S704


def breakable(text: str) -> Markup:
    """Escaped, and a line may break where long names have their joints, but inside no word."""
    parts = (escape(part) for part in _JOINTS.split(visible(text)))
    return Markup("<wbr>").join(parts)


def _environment() -> Environment:
    environment = page_environment()
    environment.filters.update(
        accuracy_span=accuracy_span,
        breakable=breakable,
        changed_words=changed_words,
        floor_words=floor_words,
        level_words=level_words,
        percent=percent,
        points=points,
        slug=slug,
        span=span,
        split_finding=split_finding,
        split_table=split_table,
    )
    environment.globals.update(
        count=count, excludes_zero=excludes_zero, headings=HEADINGS, whole=whole
    )
    return environment
