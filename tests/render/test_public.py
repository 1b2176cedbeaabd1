"""The public names, and what importing them costs."""

import subprocess
import sys

from oodrop.reports import render


def test_public_names():
    assert sorted(render.__all__) == [
        "Finding",
        "SCHEMA_FILE",
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
    assert all(hasattr(render, name) for name in render.__all__)


def test_import_leaves_altair_alone():
    code = "import sys, oodrop.reports.render; print('altair' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
