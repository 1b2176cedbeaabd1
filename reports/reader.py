"""Reads what lm-eval wrote, wherever it was run: results_*.json and the samples beside them.

Every line is checked on the way in, and nothing is skipped in silence: a file that is damaged is
an error that names it. Only what pairing needs stays in memory.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from oodrop import DataError

CHECKPOINT_FILE = "oodrop_checkpoint.json"
PREFIX = "oodrop__"
CONTROLS_SCORED = ("control.identity", "control.rerun")


@dataclass(frozen=True, slots=True)
class Row:
    """One document of one variant.

    Attributes:
        outcome: what the perturber did.
        evidence: level of evidence of its certificate, None where nothing was changed.
        score: value of the primary metric, None where the document is not scored.
        cluster_id: the source that it shares with others.
        canonical_sha256: hash of the item before the edits.
        doc_hash: lm-eval's hash of the document as it was sent.
        gold: text of the right answer.
    """

    outcome: str
    evidence: str | None
    score: float | None
    cluster_id: str
    canonical_sha256: str
    doc_hash: str
    gold: str

    @property
    def counts(self) -> bool:
        """Whether the row takes part in its variant's drop."""
        return self.score is not None


@dataclass(frozen=True)
class Samples:
    """One variant of one task, as one checkpoint answered it."""

    path: Path
    task: str
    variant: str
    perturber: str
    family: str
    severity: int | None
    metric: str
    filter: str
    chance: float
    num_fewshot: int
    settings: Mapping[str, Any]
    rows: Mapping[str, Row]
    replies_sha256: str


@dataclass(frozen=True)
class RunFile:
    """One results file and its samples."""

    path: Path
    checkpoint_key: str
    checkpoint_name: str
    model: str
    model_args: str
    chat_template: bool
    lm_eval_version: str
    date: float
    samples: tuple[Samples, ...]
    foreign_tasks: tuple[str, ...]


def read_runs(folders: list[Path]) -> list[RunFile]:
    """Every results file under the folders, oldest first.

    Raises:
        DataError: when a folder is missing, holds no results, or a file in it is damaged.
    """
    paths: dict[Path, None] = {}
    for folder in folders:
        if not folder.exists():
            raise DataError(f"results folder {folder} does not exist")
        found = sorted(p for p in folder.rglob("results_*.json") if not _unfinished(p, folder))
        if not found:
            raise DataError(f"no lm-eval results (results_*.json) under {folder}")
        paths.update(dict.fromkeys(p.resolve() for p in found))
    runs = [_read_run(path) for path in paths]
    return sorted(runs, key=lambda run: (run.date, str(run.path)))


def iterate_samples(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and sample of a JSONL file, streamed.

    Raises:
        DataError: for an empty file, a line that is not a JSON object, or a cut last line.
    """
    try:
        with path.open("rb") as lines:  # split at \n alone: model text may hold U+2028 and the like
            number = 0
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    raise DataError(f"{path}, line {number}: the file is cut off here")
                yield number, _object(line, f"{path}, line {number}")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if number == 0:
        raise DataError(f"{path} is empty; lm-eval writes such a file when saving failed")


def _unfinished(path: Path, root: Path) -> bool:
    return any(part.endswith(".partial") for part in path.relative_to(root).parts[:-1])


def _object(text: bytes, where: str) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:  # NaN, Infinity and lone surrogates: Python writes them, strict JSON has none
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({type(error).__name__}: {error!s:.80})") from None
    if not isinstance(data, dict):
        raise DataError(f"{where}: must be a JSON object, got {type(data).__name__}")
    return data


def _read_run(path: Path) -> RunFile:
    try:
        data = _object(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    config, tasks = data.get("config"), data.get("configs")
    if not isinstance(config, dict) or not isinstance(tasks, dict):
        raise DataError(
            f"{path} is not a results file of lm-eval: 'config' or 'configs' is missing"
        )
    ours = [name for name in tasks if name.startswith(PREFIX)]
    key, name = _identity(path, config)
    return RunFile(
        path=path,
        checkpoint_key=key,
        checkpoint_name=name,
        model=str(config.get("model")),
        model_args=_arguments(config.get("model_args")),
        chat_template=bool(data.get("chat_template_sha") or data.get("chat_template")),
        lm_eval_version=str(data.get("lm_eval_version", "unknown")),
        date=float(data["date"]) if isinstance(data.get("date"), (int, float)) else 0.0,
        samples=tuple(_read_samples(path, data, name) for name in ours),
        foreign_tasks=tuple(name for name in tasks if name not in ours),
    )


def _identity(path: Path, config: Mapping[str, Any]) -> tuple[str, str]:
    """Key and name of the checkpoint: from oodrop's own file above, else from the arguments."""
    for folder in list(path.parents)[:4]:
        marker = folder / CHECKPOINT_FILE
        if marker.exists():
            content = _object(marker.read_bytes(), str(marker))
            return str(content.get("fingerprint")), str(content.get("name"))
    model, args = str(config.get("model")), _arguments(config.get("model_args"))
    parts = dict(part.partition("=")[::2] for part in args.split(",") if "=" in part)
    named = [
        parts[k].rstrip("/").rpartition("/")[2]
        for k in ("pretrained", "peft", "model")
        if k in parts
    ]
    return f"{model}|{args}", "+".join(named) or model


def _arguments(args: object) -> str:
    if isinstance(args, dict):
        return ",".join(f"{k}={v}" for k, v in args.items())
    return str(args or "")


def _read_samples(results: Path, data: Mapping[str, Any], task: str) -> Samples:
    stamp = results.stem.removeprefix("results_")
    path = results.with_name(f"samples_{task}_{stamp}.jsonl")
    if not path.exists():
        raise DataError(f"{results} lists {task} but {path.name} is missing; use --log_samples")
    declared = (data["configs"][task].get("metadata") or {}).get("oodrop")
    if not isinstance(declared, dict) or not {"metric", "filter", "chance"} <= set(declared):
        raise DataError(f"{results}: the configuration of {task} has no complete metadata.oodrop")
    metric, wanted_filter = str(declared["metric"]), str(declared["filter"])
    rows: dict[str, Row] = {}
    first: dict[str, Any] | None = None
    replies = hashlib.sha256()
    for number, sample in iterate_samples(path):
        where = f"{path}, line {number}"
        if sample.get("filter", wanted_filter) != wanted_filter:
            continue
        record = _record(sample, where)
        item_id = record["item_id"]
        if item_id in rows:
            raise DataError(f"{where}: the item {item_id!r} stands twice in this file")
        rows[item_id] = _row(sample, record, metric, where)
        replies.update(orjson.dumps(sample.get("resps"), default=str))
        first = first or record
    if first is None:
        raise DataError(f"{path} has no row with the filter {wanted_filter!r}")
    return Samples(
        path=path,
        task=str(first["task"]),
        variant=str(first["variant"]),
        perturber=str(first["perturber"]),
        family=str(first["family"]),
        severity=first["severity"],
        metric=metric,
        filter=wanted_filter,
        chance=float(declared["chance"]),
        num_fewshot=int((data.get("n-shot") or {}).get(task) or 0),
        settings=_settings(data, task),
        rows=rows,
        replies_sha256=replies.hexdigest(),
    )


_RECORD_FIELDS = (
    "item_id", "cluster_id", "task", "variant", "perturber", "family", "severity", "outcome",
    "evidence", "canonical_sha256",
)  # fmt: skip


def _record(sample: Mapping[str, Any], where: str) -> dict[str, Any]:
    doc = sample.get("doc")
    record = doc.get("oodrop") if isinstance(doc, dict) else None
    if not isinstance(record, dict):
        raise DataError(f"{where}: the document carries no 'oodrop' record")
    missing = [name for name in _RECORD_FIELDS if name not in record]
    if missing:
        raise DataError(f"{where}: the 'oodrop' record lacks {missing[0]!r}")
    return record


def _row(sample: Mapping[str, Any], record: Mapping[str, Any], metric: str, where: str) -> Row:
    scored = record["outcome"] in ("canonical", "changed") or record["perturber"] in CONTROLS_SCORED
    score = sample.get(metric)
    if scored and (isinstance(score, (str, list, dict)) or score is None):
        raise DataError(f"{where}: the metric {metric!r} must be a number, got {score!r:.40}")
    if scored and not math.isfinite(float(score)):  # type: ignore[arg-type]  # checked above
        raise DataError(f"{where}: the metric {metric!r} is {score}")
    return Row(
        outcome=str(record["outcome"]),
        evidence=record["evidence"],
        score=float(score) if scored else None,  # type: ignore[arg-type]  # checked above
        cluster_id=str(record["cluster_id"]),
        canonical_sha256=str(record["canonical_sha256"]),
        doc_hash=str(sample.get("doc_hash")),
        gold=str(record.get("gold", sample.get("target"))),
    )


def _settings(data: Mapping[str, Any], task: str) -> dict[str, Any]:
    """What a canonical run and its variants must share."""
    config, own = data["config"], data["configs"][task]
    return {
        "model": config.get("model"),
        "model_args": _arguments(config.get("model_args")),
        "num_fewshot": (data.get("n-shot") or {}).get(task),
        "chat_template": data.get("chat_template_sha"),
        "system_instruction": data.get("system_instruction_sha"),
        "fewshot_as_multiturn": data.get("fewshot_as_multiturn"),
        "gen_kwargs": config.get("gen_kwargs"),
        "fewshot_seed": config.get("fewshot_seed"),
        "lm_eval_version": data.get("lm_eval_version"),
        "output_type": own.get("output_type"),
        "generation_kwargs": own.get("generation_kwargs"),
        "repeats": own.get("repeats"),
        "task_version": (data.get("versions") or {}).get(task),
    }
