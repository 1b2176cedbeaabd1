"""The report as JSON: everything in it, in one versioned shape (see report.schema.json)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import orjson

from oodrop.reports.model import SCHEMA_VERSION, Report
from oodrop.reports.render.labels import task_labels
from oodrop.reports.render.text import encodable

SCHEMA = "oodrop-report"
SCHEMA_FILE = Path(__file__).parent / "report.schema.json"


def report_json(report: Report) -> bytes:
    """`report` as strict JSON with sorted keys; accuracies and drops in the unit of the metric.

    What JSON cannot hold is replaced: NaN and infinities by null, lone surrogates by `⟨U+D800⟩`.
    """
    found = plain(report)
    for task, label in zip(found["tasks"], task_labels(report), strict=True):
        task["label"] = label
    whole = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **found}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def flip_lines(report: Report) -> Iterator[bytes]:
    """A line of JSON per flipped item of the report, read from the runs one at a time.

    The fields are those of a flip in report.json, and `task` with its label.

    Raises:
        DataError: when a file of the runs has changed since it was read.
    """
    option = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    for task, label in zip(report.tasks, task_labels(report), strict=True):
        for flip in task.every_flip() if task.every_flip else ():
            yield orjson.dumps({"task": label, **plain(flip)}, option=option)


def plain(value: Any) -> Any:
    """Dataclasses as objects, with nothing that strict JSON cannot hold."""
    if is_dataclass(value):
        shown = (f.name for f in fields(value) if f.metadata.get("json", True))
        return {name: plain(getattr(value, name)) for name in shown}
    if isinstance(value, Mapping):
        return {encodable(str(k)): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, str):
        return encodable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
