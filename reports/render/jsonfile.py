"""The report as JSON: everything in it, in one versioned shape (see report.schema.json)."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
    plain = _plain(report)
    for task, label in zip(plain["tasks"], task_labels(report), strict=True):
        task["label"] = label
    whole = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **plain}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {encodable(str(k)): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, str):
        return encodable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
