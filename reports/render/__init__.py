"""A `Report` drawn: terminal, HTML page, Markdown summary, JSON, CSV and SVG.

    from oodrop.reports.render import print_report, write_report

    print_report(report, Console())
    paths = write_report(report, Path("out"))

Modules: `verdict`, `flags`, `points`, `labels`, `rows`, `splits`, `engagement`,
`text` (words that every output shares),
`terminal`, `html` (with `pages`, `flips` and `diff`), `markdown`, `jsonfile`, `csvfile` (one output
each), `charts` (with `forest`, `heatmap`, `canvas`, `palette`), `files` (all of them, in a folder).
All texts of a report come from models and files: every output escapes them.
"""

from oodrop.reports.render.csvfile import drops_csv
from oodrop.reports.render.files import check_writable, write_report
from oodrop.reports.render.html import report_html
from oodrop.reports.render.jsonfile import SCHEMA_FILE, report_json
from oodrop.reports.render.labels import task_labels
from oodrop.reports.render.markdown import summary_markdown
from oodrop.reports.render.terminal import print_report
from oodrop.reports.render.verdict import Finding, Verdict, verdicts

__all__ = [
    "SCHEMA_FILE",
    "Finding",
    "Verdict",
    "check_writable",
    "drops_csv",
    "print_report",
    "report_html",
    "report_json",
    "summary_markdown",
    "task_labels",
    "verdicts",
    "write_report",
]
