"""The decision of a gate: for a terminal, as JSON, as Markdown, as JUnit, as GitHub annotations.

What the JSON holds is in gate.schema.json.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import orjson
from rich.console import Console
from rich.text import Text

from oodrop.reports.gating import GateReport, GateRow
from oodrop.reports.render.jsonfile import plain
from oodrop.reports.render.markdown import LIMIT, escaped, table_lines, within
from oodrop.reports.render.points import NOTHING, points, span
from oodrop.reports.render.questions import under
from oodrop.reports.render.tables import Table
from oodrop.reports.render.terminal import print_table
from oodrop.reports.render.text import one_line

SCHEMA = "oodrop-gate"
SCHEMA_VERSION = "0.1"
SCHEMA_FILE = Path(__file__).parent / "gate.schema.json"
EXIT_CODES = {"PASS": 0, "FAIL": 1, "NOT COMPARABLE": 3, "INCONCLUSIVE": 4}
STYLES = {"PASS": "bold green", "FAIL": "bold red"}
MOST_ANNOTATIONS = 10
"""GitHub shows this many of a kind for one step."""

Inconclusive = Literal["inconclusive", "pass", "fail"]


def exit_code(report: GateReport, inconclusive: Inconclusive = "inconclusive") -> int:
    """What the process returns: 0 PASS, 1 FAIL, 3 not comparable, 4 INCONCLUSIVE."""
    if report.decision == "INCONCLUSIVE" and inconclusive != "inconclusive":
        return EXIT_CODES[inconclusive.upper()]
    return EXIT_CODES[report.decision]


def print_gate(report: GateReport, console: Console) -> None:
    """Print it; texts from data are shown as they are, never read as markup or codes."""
    head = Text(report.decision, STYLES.get(report.decision, "bold yellow"))
    console.print(head.append(f": {one_line(report.reason)}", "default"), highlight=False)
    console.print(Text(one_line(_who(report)), "dim"), highlight=False)
    for note in (*report.missing, *report.notes):
        console.print(Text(f"Note: {one_line(note)}", "yellow"), highlight=False)
    for table in _tables(report):
        print_table(table, console)


def gate_json(report: GateReport) -> bytes:
    """The decision as strict JSON with sorted keys, losses in the unit of the metric."""
    whole = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **plain(report)}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def gate_markdown(report: GateReport, limit: int = LIMIT) -> str:
    """The decision for a step summary or a pull request, in at most `limit` characters."""
    lines = [f"# {report.decision}: {escaped(_who(report))}", "", escaped(report.reason)]
    for note in (*report.missing, *report.notes):
        lines += ["", f"**Note:** {escaped(note)}"]
    for table in _tables(report):
        lines += table_lines(table)
    return within(lines, limit, f"\nCut here to stay within {limit:,} characters.\n")


def gate_junit(report: GateReport, inconclusive: Inconclusive = "inconclusive") -> bytes:
    """JUnit XML with a case for every task, variant or family, and metric.

    A case fails where its loss is above the margin after Holm's adjustment. One that must pass and
    is not decided is skipped, or fails where `inconclusive` says so. What cannot be compared is an
    error.
    """
    root = ET.Element("testsuites", name="oodrop gate")
    suites: dict[str, list[ET.Element]] = {}
    for row in report.rows:
        suites.setdefault(row.gate.task, []).append(_case(row, inconclusive))
    for k, text in enumerate(report.missing, 1):
        case = ET.Element("testcase", classname="oodrop.gate", name=f"comparable {k}")
        ET.SubElement(case, "error", message=one_line(text), type="NotComparable")
        suites.setdefault("oodrop", []).append(case)
    for name, cases in suites.items():
        counts = {
            f"{kind}s" if kind != "skipped" else kind: str(
                sum(c.find(kind) is not None for c in cases)
            )
            for kind in ("failure", "error", "skipped")
        }
        suite = ET.SubElement(
            root, "testsuite", {"name": one_line(name), "tests": str(len(cases)), **counts}
        )
        suite.extend(cases)
    ET.indent(root)
    page: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return page + b"\n"


def gate_annotations(report: GateReport) -> list[str]:
    """Workflow commands of GitHub, at most `MOST_ANNOTATIONS`: the decision, then what failed."""
    level = {"PASS": "notice", "FAIL": "error"}.get(report.decision, "warning")
    lines = [_command(level, f"oodrop gate: {report.decision}", report.reason)]
    for row in report.rows:
        if row.decision == "FAIL":
            title = f"{row.gate.task} under {row.gate.name}"
            lines.append(_command("error", title, row.gate.reason))
    return lines[:MOST_ANNOTATIONS]


def _who(report: GateReport) -> str:
    return f"{report.candidate} against {report.baseline}"


def _case(row: GateRow, inconclusive: Inconclusive) -> ET.Element:
    found = row.gate
    case = ET.Element(
        "testcase",
        classname=one_line(f"oodrop.{found.task}"),
        name=one_line(f"{found.name} {found.metric} {found.on}"),
    )
    reason = one_line(found.reason)
    undecided = row.must_pass and row.decision == "INCONCLUSIVE"
    if row.decision == "FAIL" or (undecided and inconclusive == "fail"):
        ET.SubElement(case, "failure", message=reason, type=row.decision)
    elif undecided and inconclusive == "inconclusive":
        ET.SubElement(case, "skipped", message=reason)
    ET.SubElement(case, "system-out").text = reason
    return case


def _tables(report: GateReport) -> Iterator[Table]:
    level = f"{1.0 - report.alpha:.4g}"
    numbers = (
        f"Losses in points over the changed items; bounds one-sided at {level}; p of a loss above "
        "the margin, adjusted for all rows (Holm); the last column is the least margin that a "
        "candidate without any loss would mostly pass."
    )
    for title, must, meaning in (
        ("Must pass", True, f"Nothing passes unless each of these does. {numbers}"),
        ("Watched", False, "These pass nothing, but fail where p is below alpha."),
    ):
        rows = [row for row in report.rows if row.must_pass is must]
        if rows:
            yield Table(
                title,
                meaning,
                ("Task", "Under", "Decision", "Loss", "Bounds", "Margin", "p", "Least margin"),
                5,
                tuple(_cells(row) for row in rows),
            )


def _cells(row: GateRow) -> tuple[str, ...]:
    found = row.gate
    return (
        found.task,
        under(found.name),
        row.decision,
        points(found.loss),
        span(found.interval) if found.interval else NOTHING,
        f"{100.0 * found.margin:.1f}",
        NOTHING if row.p_fail is None else f"{row.p_fail:.3f}",
        NOTHING if found.detectable is None else f"{100.0 * found.detectable:.1f}",
    )


def _command(level: str, title: str, message: str) -> str:
    """One line that GitHub reads as a command: what has a meaning in it is escaped."""
    name = one_line(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={name}::{one_line(message).replace('%', '%25')}"
