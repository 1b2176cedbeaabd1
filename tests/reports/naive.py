"""The numbers of a folder by plain json and dicts, and what of its files they rest on."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

Scores = Mapping[str, float | None]
Files = Mapping[Path, bytes]
Found = Mapping[tuple[str, str, str], Scores]  # checkpoint, task, variant -> item -> score

SCORED_CONTROLS = ("control.identity", "control.rerun")
# What no number rests on: of a row, of a results file, of oodrop's own record.
IDLE_ROW = {
    "doc_id", "target", "target_hash", "arguments", "resps", "filtered_resps", "metrics",
}  # fmt: skip
IDLE_RESULTS = {
    "group_subtasks", "git_hash", "transformers_version", "task_hashes", "model_source",
    "model_name", "system_instruction", "total_evaluation_time_seconds",
}  # fmt: skip
IDLE_RECORD = {"perturber_version", "parameters", "seed", "settings", "eligible", "gold", "edits",
               "guards", "reason"}  # fmt: skip


def loads(text: bytes) -> Any:
    """JSON as Python reads it; integers that it refuses become floats, and any depth is read."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        return json.loads(text, parse_int=lambda d: int(d) if len(d) < 4_300 else float(d))
    finally:
        sys.setrecursionlimit(limit)


def lines(content: bytes) -> list[Any]:
    return [loads(line) for line in content.split(b"\n")[:-1]]


def variants(files: Files) -> dict[tuple[str, str, str], Scores]:
    """Checkpoint, task and variant -> item -> score, None where it counts for nothing."""
    found: dict[tuple[str, str, str], Scores] = {}
    runs = [
        (path, loads(content))
        for path, content in files.items()
        if path.suffix == ".json" and path.name != "oodrop_checkpoint.json"
    ]
    for path, results in sorted(runs, key=lambda run: (run[1]["date"], str(run[0]))):
        checkpoint = _checkpoint(files, path, results["config"])
        stamp = re.split(r"_(?=\d{4}-)", path.stem)[-1]
        for task, config in results["configs"].items():
            if task.startswith("oodrop__"):
                _, variant, name = task.split("__")
                rows = lines(files[path.with_name(f"samples_{task}_{stamp}.jsonl")])
                own = config["metadata"]["oodrop"]
                found[checkpoint, name, variant] = scores(rows, own["metric"], own["filter"])
    return found


def _checkpoint(files: Files, path: Path, config: Mapping[str, Any]) -> str:
    """By oodrop's own file, or by model and arguments in any order."""
    marker = files.get(path.parents[1] / "oodrop_checkpoint.json")
    if marker is not None:
        return str(loads(marker)["fingerprint"])
    args = config["model_args"]
    parts = [f"{k}={v}" for k, v in args.items()] if isinstance(args, dict) else args.split(",")
    return f"{config['model']}|{sorted(parts)}"


def scores(rows: Iterable[Any], metric: str, filtered: str) -> Scores:
    return {
        row["doc"]["oodrop"]["item_id"]: row[metric] if is_scored(row["doc"]["oodrop"]) else None
        for row in rows
        if row.get("filter", filtered) == filtered
    }


def is_scored(record: Mapping[str, Any]) -> bool:
    known = record.get("scored")
    changed = record["outcome"] in ("canonical", "changed")
    return known if isinstance(known, bool) else changed or record["perturber"] in SCORED_CONTROLS


def essence(files: Files) -> Any:
    """All that numbers may rest on, in no order of rows; damaged files as they are."""
    return {path: _essence(path, content) for path, content in files.items()}


def _essence(path: Path, content: bytes) -> Any:
    try:
        if path.suffix == ".json":
            data = loads(content)
            return {k: v for k, v in data.items() if k not in IDLE_RESULTS}
        return sorted((_row(row) for row in lines(content)), key=lambda row: str(row[0]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return content


def _row(row: dict[str, Any]) -> Any:
    record = {k: v for k, v in row["doc"]["oodrop"].items() if k not in IDLE_RECORD}
    rest = {k: v for k, v in row.items() if k not in IDLE_ROW and k != "doc"}
    return record["item_id"], record, rest


def accuracies(found: Found) -> list[tuple[Any, ...]]:
    """Task, items and accuracy of every canonical run."""
    return [
        (task, len(own), value(fmean(s for s in own.values() if s is not None)))
        for (_, task, variant), own in found.items()
        if variant == "canonical"
    ]


def drops(found: Found) -> list[tuple[Any, ...]]:
    """Task, variant, items and drop of every variant with a scored item."""
    made = []
    for (checkpoint, task, variant), own in found.items():
        before = found[checkpoint, task, "canonical"]
        lost = [(before[item] or 0) - s for item, s in own.items() if s is not None]
        if variant != "canonical" and lost:
            made.append((task, variant, len(lost), value(fmean(lost))))
    return made


def shared(both: Sequence[Found]) -> list[Found]:
    """Of two checkpoints the variants that both ran: over these alone they are compared."""
    one, other = ({key[1:] for key in found} for found in both)
    return [{k: own for k, own in found.items() if k[1:] in one & other} for found in both]


def mean_under(found: Found, task: str, name: str, kind: str) -> float:
    """The mean score of the one checkpoint on what a variant, a family or all of them changed."""
    start = {"lexical": "lexical_", "ordering": "ordering_", "all": ("lexical_", "ordering_")}
    return fmean(
        score
        for (_, t, variant), own in found.items()
        if t == task and (variant == name if kind == "variant" else variant.startswith(start[name]))
        for score in own.values()
        if score is not None
    )


def value(number: float) -> float:
    """A number to compare: two ways of adding up differ in the last digits."""
    return float(f"{number + 0.0:.9g}") if abs(number) > 1e-9 else 0.0
