"""Reads what lm-eval 0.4.5 to 0.4.13 wrote, wherever it was run: results and samples beside them.

Every line is checked on the way in, and nothing is skipped in silence: a file that is damaged is
an error that names it. Only what pairing needs stays in memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from oodrop import DataError, OodropError
from oodrop.reports.checks import shown
from oodrop.reports.folders import is_there, results_under, samples_beside
from oodrop.reports.lines import read_object
from oodrop.reports.marker import Marker, marker_above
from oodrop.reports.results import RunFile, Samples
from oodrop.reports.samplefile import PREFIX, Job, Sheet
from oodrop.reports.stopping import Stopped, stopped
from oodrop.reports.table import Array, Items
from oodrop.reports.workers import read_sheets

_COUNTS_SCORED = (0, 4, 13)
# Part of a file name too: no separators, no control characters.
_TASK_NAME = re.compile(re.escape(PREFIX) + r"[\w.+-]{1,200}")


def read_runs(
    folders: list[Path],
    *,
    verify: bool = False,
    rescore: bool = False,
    processes: int | None = None,
) -> list[RunFile]:
    """Every results file under the folders, oldest first.

    Args:
        folders: where to look.
        verify: whether lm-eval's hashes of every row are computed again.
        rescore: whether scores are, where a row decides (`same_score`).
        processes: as of `read_sheets`; what is read does not depend on it.

    Raises:
        DataError: when a folder is missing, holds no results, or a file in it is damaged.
    """
    paths = dict.fromkeys(path for folder in folders for path in results_under(folder))
    plans, stop = _plans(paths)
    jobs = [
        replace(planned.job, verify=verify, rescore=rescore)
        for plan in plans
        for planned in plan.tasks
    ]
    sheets = iter(read_sheets(jobs, processes))
    if stop is not None:
        raise stop  # what is damaged before it in the order of the files was told first
    same = _Shared()
    runs = [
        replace(plan.run, samples=tuple(_samples(t, same.of(next(sheets))) for t in plan.tasks))
        for plan in plans
    ]
    return sorted(runs, key=lambda run: (run.date, str(run.path)))


@dataclass
class _Planned:
    """A task whose samples are to be read, and what its results file says of it."""

    job: Job
    declared: _Declared
    num_fewshot: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    stopped: Stopped | None = None


@dataclass
class _Plan:
    """A results file, its samples still to be read."""

    run: RunFile
    tasks: list[_Planned]


class _Shared:
    """Columns that files have in common, so that each is kept once."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, ...], Items] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._clusters: dict[bytes, Array] = {}

    def of(self, sheet: Sheet) -> Sheet:
        """The sheet, with what is known already in place of its own."""
        rows = sheet.rows
        own = replace(
            rows,
            ids=self._items.setdefault(rows.ids.ids, rows.ids),
            cluster_names=self._names.setdefault(rows.cluster_names, rows.cluster_names),
            clusters=self._clusters.setdefault(rows.clusters.tobytes(), rows.clusters),
        )
        return replace(sheet, rows=own)


def _text(value: object, where: object) -> str:
    """A setting as text: it can be compared, hashed and shown, whatever it was."""
    try:
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    except RecursionError:
        raise DataError(f"{where}: a setting is nested too deeply") from None


def _plans(paths: Iterable[Path]) -> tuple[list[_Plan], OodropError | None]:
    """What is to be read up to the first results file that is damaged, and its error."""
    plans: list[_Plan] = []
    try:
        for path in paths:
            data = _results(path)
            plans.append(_Plan(_run_file(path, data), []))
            for name in data["configs"]:
                if name.startswith(PREFIX):
                    planned = _planned(path, data, name)
                    plans[-1].tasks.append(planned)
                    planned.num_fewshot = _of_task(path, data, "n-shot", name) or 0
                    planned.settings = _settings(path, data, name)
                    planned.stopped = stopped(str(path), data["config"].get("stopping"), name)
    except OodropError as error:
        return plans, error
    return plans, None


def _results(path: Path) -> dict[str, Any]:
    data = read_object(path)
    date = data.get("date")
    if not isinstance(data.get("config"), dict) or not isinstance(data.get("configs"), dict):
        raise DataError(f"{path} is no results file of lm-eval: config or configs is missing")
    if not isinstance(date, (int, float)) or date is True or not 0 <= date < 253_402_300_800:
        raise DataError(f"{path}: 'date' must be seconds since 1970, got {shown(date)}")
    return data


def _run_file(path: Path, data: Mapping[str, Any]) -> RunFile:
    config = data["config"]
    model, args = _text(config.get("model"), path), _arguments(config.get("model_args"), path)
    marker = marker_above(path) or Marker(*_named(model, args), {})
    return RunFile(
        path=path,
        checkpoint_key=marker.key,
        checkpoint_name=marker.name,
        model=model,
        model_args=args,
        chat_template=bool(data.get("chat_template_sha") or data.get("chat_template")),
        lm_eval_version=_text(data.get("lm_eval_version", "unknown"), path),
        date=float(data["date"]),
        samples=(),
        foreign_tasks=tuple(name for name in data["configs"] if not name.startswith(PREFIX)),
        left_out=marker.left_out,
    )


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
    groups: Mapping[str, int]


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
    directions = _noted(data, "higher_is_better", task)
    if isinstance(directions, dict) and directions.get(metric) is False:
        raise DataError(f"{path}: less of {metric} is better for {task}; a drop needs more of it")
    heldout_of = found.get("heldout_of")
    if not isinstance(heldout_of, (str, type(None))):
        raise DataError(f"{path}: heldout_of of {task} must be text, got {shown(heldout_of)}")
    groups = found.get("groups", {})
    if not isinstance(groups, dict) or not all(map(_is_group, groups.items())):
        raise DataError(f"{path}: groups of {task} must map names to numbers of tasks")
    return _Declared(metric, name, float(chance), heldout_of, groups)


def _is_group(group: tuple[str, object]) -> bool:
    """Whether it is a name, which reports show as that of a task, with a number of tasks."""
    return bool(_TASK_NAME.fullmatch(PREFIX + group[0])) and type(group[1]) is int


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


def _planned(results: Path, data: Mapping[str, Any], task: str) -> _Planned:
    if not _TASK_NAME.fullmatch(task):
        raise DataError(f"{results}: {shown(task)} is not the name of a task")
    path = samples_beside(results, task)
    if not is_there(path):
        raise DataError(f"{results} lists {task} but {path.name} is missing; use --log_samples")
    declared = _declared(results, data, task)
    job = Job(
        path=path,
        results=results,
        task=task,
        metric=declared.metric,
        filter=declared.filter,
        scored=_scored_documents(data, task),
        task_hash=_task_hash(data, task),
        only_filter=_filters(data, task) == {declared.filter},
    )
    return _Planned(job, declared)


def _filters(data: Mapping[str, Any], task: str) -> set[str]:
    """The filters that the scores of a task are listed under, as ``metric,filter``."""
    scores = _noted(data, "results", task)
    names = scores if isinstance(scores, dict) else {}
    return {name.partition(",")[2] for name in names if "," in name}


def _scored_documents(data: Mapping[str, Any], task: str) -> int | None:
    """How many documents have a metric; before 0.4.13 lm-eval counted those without one too."""
    counts = _noted(data, "n-samples", task)
    found = counts.get("effective") if isinstance(counts, dict) else None
    version = re.match(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", str(data.get("lm_eval_version")))
    if version is None or tuple(map(int, version.groups())) < _COUNTS_SCORED:
        return None
    return found if type(found) is int else None


def _task_hash(data: Mapping[str, Any], task: str) -> str | None:
    found = _noted(data, "task_hashes", task)
    return found if isinstance(found, str) else None


def _noted(data: Mapping[str, Any], table: str, task: str) -> Any:
    """An entry of a table that older versions do not write; None where there is none."""
    found = data.get(table)
    return found.get(task) if isinstance(found, dict) else None


def _samples(planned: _Planned, sheet: Sheet) -> Samples:
    return Samples(
        path=planned.job.path,
        **sheet.shared,
        **planned.declared._asdict(),
        num_fewshot=planned.num_fewshot,
        settings=planned.settings,
        rows=sheet.rows,
        replies_per_item=sheet.replies_per_item,
        replies_digest=sheet.replies_digest,
        unchecked=sheet.unchecked,
        rescored=sheet.rescored,
        stopped=planned.stopped,
    )
