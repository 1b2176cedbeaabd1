"""A `Report` drawn: terminal, HTML page, Markdown summary, JSON, CSV and SVG.

    from oodrop.reports.render import print_report, write_report

    print_report(report, Console())
    paths = write_report(report, Path("out"))

Modules: `verdict`, `flags`, `points`, `labels`, `rows`, `text` (words that every output shares),
`terminal`, `html` (with `flips` and `diff`), `markdown`, `jsonfile`, `csvfile` (one output each),
`charts` (with `forest`, `heatmap`, `canvas`, `palette`), `files` (all of them, in a folder).
All texts of a report come from models and files: every output escapes them.
"""

from .csvfile import drops_csv
from .files import write_report
from .html import report_html
from .jsonfile import SCHEMA_FILE, report_json
from .labels import task_labels
from .markdown import summary_markdown
from .terminal import print_report
from .verdict import Finding, Verdict, verdicts

__all__ = [
    "SCHEMA_FILE",
    "Finding",
    "Verdict",
    "drops_csv",
    "print_report",
    "report_html",
    "report_json",
    "summary_markdown",
    "task_labels",
    "verdicts",
    "write_report",
]
