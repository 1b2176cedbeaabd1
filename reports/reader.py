"""Reads what lm-eval wrote, wherever it was run: results_*.json and the samples beside them.

Every line is checked on the way in, and nothing is skipped in silence: a file that is damaged is
an error that names it. Only what pairing needs stays in memory.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from oodrop import DataError
from oodrop.reports.checks import finite, shown
from oodrop.reports.measures import Measures, measures
from oodrop.reports.replies import replies_in
from oodrop.reports.results import CONTROLS_SCORED, WEAKEST_FIRST, Row, RunFile, Samples

CHECKPOINT_FILE = "oodrop_checkpoint.json"
PREFIX = "oodrop__"
OUTCOMES = ("changed", "unchanged", "not_applicable", "refused")
# Part of a file name too: no separators, no control characters.
_TASK_NAME = re.compile(re.escape(PREFIX) + r"[\w.+-]{1,200}")
_SAME_IN_ALL_ROWS = ("task", "variant", "perturber", "family", "severity", "bank_sha256")
_TEXT_FIELDS = ("item_id", "cluster_id", *_SAME_IN_ALL_ROWS[:4], "outcome", "canonical_sha256")


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
            data = json.loads(text, parse_int=_integer)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({type(error).__name__}: {error!s:.80})") from None
    if not isinstance(data, dict):
        raise DataError(f"{where}: must be a JSON object, got {type(data).__name__}")
    return data


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 4_300 else float(digits)  # Python refuses longer ones


def _text(value: object, where: object) -> str:
    """A setting as text: it can be compared, hashed and shown, whatever it was."""
    try:
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    except RecursionError:
        raise DataError(f"{where}: a setting is nested too deeply") from None


def _read_run(path: Path) -> RunFile:
    try:
        data = _object(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    config, tasks, date = data.get("config"), data.get("configs"), data.get("date")
    if not isinstance(config, dict) or not isinstance(tasks, dict):
        raise DataError(f"{path} is no results file of lm-eval: config or configs is missing")
    if not isinstance(date, (int, float)) or not 0 <= date < 253_402_300_800:
        raise DataError(f"{path}: 'date' must be seconds since 1970, got {shown(date)}")
    ours = [name for name in tasks if name.startswith(PREFIX)]
    model, args = _text(config.get("model"), path), _arguments(config.get("model_args"), path)
    marker = _marked(path) or _Marker(*_named(model, args), {})
    return RunFile(
        path=path,
        checkpoint_key=marker.key,
        checkpoint_name=marker.name,
        model=model,
        model_args=args,
        chat_template=bool(data.get("chat_template_sha") or data.get("chat_template")),
        lm_eval_version=_text(data.get("lm_eval_version", "unknown"), path),
        date=float(date),
        samples=tuple(_read_samples(path, data, name) for name in ours),
        foreign_tasks=tuple(name for name in tasks if name not in ours),
        left_out=marker.left_out,
    )


class _Marker(NamedTuple):
    """What oodrop's own file says of a checkpoint."""

    key: str
    name: str
    left_out: Mapping[str, str]


def _marked(path: Path) -> _Marker | None:
    """What oodrop's own file in one of the folders above says."""
    for folder in list(path.parents)[:4]:
        marker = folder / CHECKPOINT_FILE
        if not marker.exists():
            continue
        try:
            content = _object(marker.read_bytes(), str(marker))
        except OSError as error:
            raise DataError(f"{marker} cannot be read: {error.strerror}") from None
        key, name = content.get("fingerprint"), content.get("name")
        if not isinstance(key, str) or not isinstance(name, str) or not key or not name:
            raise DataError(f"{marker}: 'fingerprint' and 'name' must both be text")
        left_out = content.get("left_out", {})
        if not isinstance(left_out, dict) or not all(isinstance(v, str) for v in left_out.values()):
            raise DataError(f"{marker}: 'left_out' must be an object of texts")
        return _Marker(key, name, left_out)
    return None


def checkpoint_name(model: str, args: str) -> str:
    """A readable name from model type and arguments; of a path the last part alone."""
    return _named(model, args)[1]


def _named(model: str, args: str) -> tuple[str, str]:
    """Key and name of the checkpoint from its arguments; of a path the last part alone."""
    parts = dict(part.partition("=")[::2] for part in args.split(",") if "=" in part)
    paths = (parts.get(k, "").rstrip("/\\") for k in ("pretrained", "peft", "model"))
    named = [re.split(r"[/\\]", path)[-1] for path in paths if path]
    return f"{model}|{_sorted(args)}", "+".join(named) or model


def _sorted(args: str) -> str:
    """The same arguments in another order are the same checkpoint."""
    return ",".join(sorted(args.split(",")))


def _arguments(args: object, path: Path) -> str:
    if not isinstance(args, dict):
        return _text(args or "", path)
    return ",".join(f"{k}={v if isinstance(v, bool) else _text(v, path)}" for k, v in args.items())


class _Declared(NamedTuple):
    """What the task's ``metadata.oodrop`` says of its scores."""

    metric: str
    filter: str
    chance: float
    heldout_of: str | None


def _declared(path: Path, data: Mapping[str, Any], task: str) -> _Declared:
    found: Any = data["configs"][task]
    for key in ("metadata", "oodrop"):
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not {"metric", "filter", "chance"} <= set(found):
        raise DataError(f"{path}: the configuration of {task} has no complete metadata.oodrop")
    metric, name, chance = found["metric"], found["filter"], found["chance"]
    if not isinstance(metric, str) or not isinstance(name, str):
        raise DataError(f"{path}: metric and filter of {task} must be text")
    if type(chance) not in (int, float) or not 0 <= chance < 1:
        raise DataError(f"{path}: chance of {task} must be in [0, 1), got {shown(chance)}")
    heldout_of = found.get("heldout_of")
    if not isinstance(heldout_of, (str, type(None))):
        raise DataError(f"{path}: heldout_of of {task} must be text, got {shown(heldout_of)}")
    return _Declared(metric, name, float(chance), heldout_of)


def _of_task(path: Path, data: Mapping[str, Any], table: str, task: str) -> Any:
    found = data.get(table)
    if found is not None and not isinstance(found, dict):
        raise DataError(f"{path}: {table!r} must be an object, got {shown(found)}")
    value = found.get(task) if found else None
    if table == "n-shot" and type(value) not in (int, type(None)):
        raise DataError(f"{path}: 'n-shot' of {task} must be a whole number, got {shown(value)}")
    return value


def _settings(path: Path, data: Mapping[str, Any], task: str) -> dict[str, str]:
    """What a canonical run and its variants must share, as text."""
    config, own = data["config"], data["configs"][task]
    declared = _declared(path, data, task)
    found = {
        "model": config.get("model"),
        "model_args": _sorted(_arguments(config.get("model_args"), path)),
        "num_fewshot": _of_task(path, data, "n-shot", task) or 0,
        "chat_template": data.get("chat_template_sha"),
        "system_instruction": data.get("system_instruction_sha"),
        "fewshot_as_multiturn": data.get("fewshot_as_multiturn"),
        "gen_kwargs": config.get("gen_kwargs"),
        "fewshot_seed": config.get("fewshot_seed"),
        "lm_eval_version": data.get("lm_eval_version"),
        "output_type": own.get("output_type"),
        "generation_kwargs": own.get("generation_kwargs"),
        "repeats": own.get("repeats"),
        "task_version": _of_task(path, data, "versions", task),
        "metric": declared.metric,
        "filter": declared.filter,
        "chance": declared.chance,
    }
    return {key: _text(value, path) for key, value in found.items()}


def _read_samples(results: Path, data: Mapping[str, Any], task: str) -> Samples:
    if not _TASK_NAME.fullmatch(task):
        raise DataError(f"{results}: {shown(task)} is not the name of a task")
    path = results.with_name(f"samples_{task}_{results.stem.removeprefix('results_')}.jsonl")
    if not path.exists():
        raise DataError(f"{results} lists {task} but {path.name} is missing; use --log_samples")
    declared = _declared(results, data, task)
    rows: dict[str, Row] = {}
    first: dict[str, Any] = {}
    seen: dict[Measures, Measures] = {}
    replies, kept = 0, set()
    for number, sample in iterate_samples(path):
        where = f"{path}, line {number}"
        if sample.get("filter", declared.filter) != declared.filter:
            continue
        record = _record(sample, where)
        first = first or record
        for field in _SAME_IN_ALL_ROWS:
            if record.get(field) != first.get(field):
                raise DataError(f"{where}: {field!r} is not that of the rows before")
        if record["item_id"] in rows:
            raise DataError(f"{where}: the item {record['item_id']!r} stands twice in this file")
        row = _row(sample, record, declared.metric, where, seen)
        rows[record["item_id"]] = row
        if row.counts:
            kept.add(replies_in(sample))
        replies += _reply_code(record["item_id"], sample.get("resps"))
    if not first:
        raise DataError(f"{path} has no row with the filter {declared.filter!r}")
    shared: dict[str, Any] = {field: first.get(field) for field in _SAME_IN_ALL_ROWS}
    held = f"{PREFIX}{first['variant']}__{first['task']}"
    if held != task:
        raise DataError(f"{path} holds answers to {shown(held)}, not to {task}")
    return Samples(
        path=path,
        **shared,
        **declared._asdict(),
        num_fewshot=_of_task(results, data, "n-shot", task) or 0,
        settings=_settings(results, data, task),
        rows=rows,
        replies_per_item=tuple(sorted(kept)),
        replies_sha256=hashlib.sha256(str(replies).encode()).hexdigest(),
    )


def _reply_code(item_id: str, replies: Any) -> int:
    """A number to sum over items in any order; marshal takes what writers of JSON refuse."""
    return int.from_bytes(hashlib.sha256(marshal.dumps((item_id, replies), 2)).digest(), "big")


def _record(sample: Mapping[str, Any], where: str) -> dict[str, Any]:
    doc = sample.get("doc")
    record = doc.get("oodrop") if isinstance(doc, dict) else None
    if not isinstance(record, dict):
        raise DataError(f"{where}: the document carries no 'oodrop' record")
    for name in (*_TEXT_FIELDS, "severity", "evidence"):
        if name not in record:
            raise DataError(f"{where}: the 'oodrop' record lacks {name!r}")
    outcomes = ("canonical",) if record["variant"] == "canonical" else OUTCOMES
    levels = WEAKEST_FIRST if record["outcome"] == "changed" else (None, *WEAKEST_FIRST)
    wrong = [name for name in _TEXT_FIELDS if not isinstance(record[name], str)]
    wrong += ["severity"] * (type(record["severity"]) not in (int, type(None)))
    wrong += ["bank_sha256"] * (not isinstance(record.get("bank_sha256"), (str, type(None))))
    wrong += ["parent_evidence"] * (record.get("parent_evidence", "proved") not in WEAKEST_FIRST)
    wrong += ["outcome"] * (record["outcome"] not in outcomes)
    wrong += ["evidence"] * (record["evidence"] not in levels)
    for name in wrong:
        raise DataError(f"{where}: {name!r} of the 'oodrop' record is {shown(record[name])}")
    return record


def _row(
    sample: Mapping[str, Any],
    record: Mapping[str, Any],
    metric: str,
    where: str,
    seen: dict[Measures, Measures],
) -> Row:
    scored = record.get("scored")
    if not isinstance(scored, bool):  # written by a version that left it to the reader
        counts = record["outcome"] in ("canonical", "changed")
        scored = counts or record["perturber"] in CONTROLS_SCORED
    gold = record.get("gold", sample.get("target"))
    for name in ("doc_hash", "prompt_hash"):
        if not isinstance(sample.get(name), str):
            raise DataError(f"{where}: {name!r} must be text, got {shown(sample.get(name))}")
    return Row(
        outcome=sys.intern(record["outcome"]),  # the same few words in every row
        evidence=record["evidence"] and sys.intern(record["evidence"]),
        score=finite(sample.get(metric), metric, where) if scored else None,
        cluster_id=sys.intern(record["cluster_id"]),
        canonical_sha256=record["canonical_sha256"],
        doc_hash=sample["doc_hash"],
        prompt_hash=sample["prompt_hash"],
        gold=gold if isinstance(gold, str) else shown(gold),
        parent=_parent(record, where),
        parent_evidence=record.get("parent_evidence", "proved"),
        measures=measures(sample, where, seen) if scored else None,
    )


def _parent(record: Mapping[str, Any], where: str) -> tuple[str, str] | None:
    match record.get("parent"):  # older versions wrote none
        case None:
            return None
        case [str(made), str(source)]:
            return sys.intern(made), source
        case other:
            raise DataError(f"{where}: 'parent' of the 'oodrop' record is {shown(other)}")
