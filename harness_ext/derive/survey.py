"""What of lm-eval can be derived: the whole index without data, and tasks that were tried on some.

Without data only what a configuration says can be judged: how a task is scored, whether it is text
at all. Where that speaks against it, data would not help; where it does not, data decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lm_eval.api.registry import DEFAULT_METRIC_REGISTRY
from lm_eval.tasks._index import Entry, Kind

from oodrop.harness_ext.derive.bases import NotDerivableError, refused_by_name, source_of
from oodrop.harness_ext.derive.scoring import METRICS
from oodrop.harness_ext.derive.writing import Outcome

_WRITTEN = (
    "Written by `python -m tests.derive.families` for lm-eval {}; a test compares the first table."
)
_TRIED = (
    "Of {} tasks in {} families, tried on documents of the right schema, {} are derived and {} "
    "refused."
)
_WHOLE = (
    "{:,} tasks in {} families. Nothing in the configuration speaks against {:,} of them; their "
    "data decide the rest."
)
_OUTPUTS = ("multiple_choice", "generate_until", "loglikelihood")


@dataclass(frozen=True)
class Family:
    """The tasks of one folder of lm-eval.

    Attributes:
        name: of the folder.
        tasks: how many there are.
        open: how many of them nothing in the configuration speaks against.
        reasons: why the others are refused -> how many.
    """

    name: str
    tasks: int
    open: int
    reasons: Mapping[str, int]


def static_reason(name: str, config: Mapping[str, Any], kind: Kind) -> str:
    """Why a task cannot be derived, as far as its configuration tells; "" where it may be."""
    try:
        refused_by_name(name)
    except NotDerivableError as error:
        return str(error)
    if kind is Kind.PY_TASK:
        return ""  # its class decides, with data
    output = config.get("output_type") or "generate_until"
    if output not in _OUTPUTS:
        return "it scores running text: there is no question to put in other words"
    if config.get("doc_to_image") or config.get("doc_to_audio"):
        return "its prompts hold pictures or sound"
    if config.get("unsafe_code"):
        return "its replies are programs that would have to be run"
    metrics = _metrics(config, output)
    if config.get("process_results") is None and not metrics.intersection(METRICS):
        return f"no metric of {', '.join(sorted(metrics))} is known to say right or wrong"
    return ""


def _metrics(config: Mapping[str, Any], output: str) -> set[str]:
    rows = config.get("metric_list")
    if not isinstance(rows, list):
        return set(DEFAULT_METRIC_REGISTRY.get(output, ()))
    return {str(row.get("metric")).rpartition("/")[2] for row in rows if isinstance(row, Mapping)}


def survey(index: Mapping[str, Entry]) -> list[Family]:
    """Every family of the index, by name."""
    found: dict[str, Counter[str]] = {}
    for name, entry in index.items():
        if entry.yaml_path is not None and entry.kind in (Kind.TASK, Kind.PY_TASK):
            home, _, inside = source_of(name).partition(":")
            if home == "lm_eval":
                reasons = found.setdefault(inside.partition("/")[0], Counter())
                reasons[static_reason(name, entry.cfg or {}, entry.kind)] += 1
    return [
        Family(name, sum(c.values()), c[""], {r: n for r, n in sorted(c.items()) if r})
        for name, c in sorted(found.items())
    ]


def page(families: Iterable[Family], tried: Iterable[tuple[str, Outcome]], version: str) -> str:
    """The committed page, in Markdown.

    Args:
        families: of `survey`.
        tried: family and outcome of each task that was tried on data.
        version: of lm-eval.
    """
    families, tried = list(families), list(tried)
    derived = sum(o.found is not None for _, o in tried)
    total, open_ = sum(f.tasks for f in families), sum(f.open for f in families)
    lines = [
        "# What of lm-eval can be derived",
        "",
        _WRITTEN.format(version),
        "",
        "## Tried on data",
        "",
        _TRIED.format(len(tried), len({f for f, _ in tried}), derived, len(tried) - derived),
        "",
        "| family | task | text | options | gold | scored by |",
        "|---|---|---|---|---|---|",
        *(_tried_row(family, outcome) for family, outcome in tried),
        "",
        "## The whole index, without data",
        "",
        _WHOLE.format(total, len(families), open_),
        "",
        "| family | tasks | may be derived | refused |",
        "|---|---|---|---|",
        *(_family_row(family) for family in families),
    ]
    return "\n".join(lines) + "\n"


def _tried_row(family: str, outcome: Outcome) -> str:
    if outcome.found is None:
        return f"| {family} | `{outcome.task}` | *refused*: {_cell(outcome.why)} | | | |"
    found = outcome.found.derivation
    texts = ", ".join(f"`{path}`" for path in found.fields.values())
    options = ", ".join(f"`{path}`" for path in found.options)
    options += "" if found.movable or not options else " (stay)"
    gold = ", ".join(f"`{path}`: {how}" for path, how in found.gold.items())
    scored = found.metric if found.filter == "none" else f"{found.metric} ({found.filter})"
    cells = (family, f"`{outcome.task}`", texts, options, gold, scored)
    return f"| {' | '.join(map(_cell, cells))} |"


def _family_row(family: Family) -> str:
    reasons = "; ".join(f"{_cell(reason)} ({n})" for reason, n in family.reasons.items())
    return f"| {family.name} | {family.tasks} | {family.open} | {reasons} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
