"""evaleval/: records of the Every Eval Ever schema 0.3.0, aggregate and by instance.

The schemas are ``eval.schema.json`` and ``instance_level_eval.schema.json`` in the wheel
``every_eval_ever`` 0.3.0; the layout of the folders is that of its ``helpers/io.py``.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from oodrop import DataError, __version__
from oodrop.reports.bundle.instances import evaluation_name, instances, result_id
from oodrop.reports.bundle.manifest import Settings
from oodrop.reports.bundle.robustness import variant_drops
from oodrop.reports.model import Checkpoint, Report, TaskReport
from oodrop.reports.pairing import Group
from oodrop.reports.render.jsonfile import plain
from oodrop.reports.results import CANONICAL, RunFile, Samples
from oodrop.reports.statistics import Accuracy, Drop, Interval

SCHEMA_VERSION = "0.3.0"
COLLECTION = "oodrop"
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
_RESERVED = re.compile(r"(?i)(?:data|unknown|con|prn|aux|nul|com\d|lpt\d)(?:\..*)?|.*\.")
_ENGINES = {"hf": "transformers", "hf-packed": "transformers", "vllm": "vllm"}


def check_model_id(model_id: str) -> str:
    """The identifier, ``developer/model``: two names that are safe as folders.

    Raises:
        DataError: when it is none.
    """
    parts = model_id.split("/")
    if len(parts) != 2 or not all(map(_is_safe, parts)):
        raise DataError(
            "the model's id must be developer/model in letters, digits and . _ -, got "
            f"{model_id[:80]!r}"
        )
    return model_id


def _is_safe(part: str) -> bool:
    return bool(_PART.fullmatch(part)) and not _RESERVED.fullmatch(part)


def model_id_of(runs: Sequence[RunFile]) -> str:
    """``developer/model`` from the arguments where they name one of a hub, else ``local/<name>``.

    An adapter comes before its base model: it is what was evaluated.
    """
    parts = dict(part.partition("=")[::2] for part in runs[0].model_args.split(","))
    for key in ("peft", "pretrained", "model"):
        if value := parts.get(key):
            named = value.split("/")
            if len(named) == 2 and all(map(_is_safe, named)):
                return value
            break
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "_", runs[0].checkpoint_name).strip(".")[:80] or "model"
    return f"local/{safe if _is_safe(safe) else f'model_{safe}'.strip('.')}"


def write_records(
    report: Report,
    groups: Sequence[Group],
    runs: Sequence[RunFile],
    settings: Settings,
    folder: Path,
) -> None:
    """Write one aggregate record and its instances per task into a folder.

    Args:
        report: of the one checkpoint.
        groups: as paired, one per task that is not pooled.
        runs: where they come from.
        settings: of the bundle.
        folder: ``data/…`` is made below it.
    """
    (checkpoint,) = report.checkpoints
    place = f"data/{COLLECTION}/{settings.model_id}"
    (folder / place).mkdir(parents=True)
    stamp = str(int(max(run.date for run in runs)))
    for group in groups:
        task = _report_of(report, group)
        (variants,) = group.samples.values()
        name = _uuid4(variants, settings)
        evaluation_id = f"{task.task}/{settings.model_id}/{stamp}/{name[:8]}"
        samples_path = f"{place}/{name}_samples.jsonl"
        rows = instances(variants, evaluation_id, settings.model_id)
        detailed = _write_rows(rows, folder / samples_path, samples_path)
        record = {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": evaluation_id,
            "evaluation_timestamp": stamp,
            "retrieved_timestamp": stamp,
            "source_metadata": {
                "source_name": "oodrop submit",
                "source_type": "evaluation_run",
                "source_organization_name": settings.organization,
                "evaluator_relationship": "other",
            },
            "eval_library": {
                "name": "lm_eval",
                "version": checkpoint.lm_eval_version,
                "additional_details": {"oodrop_version": __version__},
            },
            "model_info": _model_info(checkpoint, settings),
            "evaluation_results": list(_results(task, variants)),
            "detailed_evaluation_results": detailed,
        }
        data = orjson.dumps(plain(record), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        (folder / place / f"{name}.json").write_bytes(data)


def _report_of(report: Report, group: Group) -> TaskReport:
    """The report of a group: task, number of items and variants together tell it."""
    slugs = [variant.slug for variant in group.paired.variants]
    return next(
        task
        for task in report.tasks
        if task.task == group.paired.task
        and task.items == len(group.paired.item_ids)
        and [variant.slug for variant in task.variants] == slugs
    )


def _uuid4(variants: Mapping[str, Samples], settings: Settings) -> str:
    """From what was read: the same rows give the same name, on any machine."""
    digest = hashlib.sha256(settings.model_id.encode())
    for slug, samples in variants.items():
        digest.update(f"\n{slug} {samples.task} {samples.replies_digest} ".encode())
        digest.update(samples.rows.doc_digests.tobytes())
    return str(uuid.UUID(bytes=digest.digest()[:16], version=4))


def _write_rows(rows: Iterator[dict[str, Any]], path: Path, place: str) -> dict[str, Any]:
    """The rows as strict JSON lines, and what the aggregate record says of them."""
    digest, count = hashlib.sha256(), 0
    with path.open("wb") as file:
        for row in rows:
            line = orjson.dumps(plain(row), option=orjson.OPT_APPEND_NEWLINE)
            digest.update(line)
            file.write(line)
            count += 1
    return {
        "format": "jsonl",
        "file_path": place,
        "hash_algorithm": "sha256",
        "checksum": digest.hexdigest(),
        "total_rows": count,
    }


def _model_info(checkpoint: Checkpoint, settings: Settings) -> dict[str, Any]:
    engine = _ENGINES.get(checkpoint.model)
    details = {
        "deployment_type": "self_deployed" if engine else "unknown",
        "model_availability": "unknown",
        "lm_eval_model": checkpoint.model,
        "model_args": checkpoint.model_args,
        "chat_template": str(checkpoint.chat_template).lower(),
    }
    info = {"name": checkpoint.name, "id": settings.model_id, "additional_details": details}
    return info | ({"inference_engine": {"name": engine}} if engine else {})


def _results(task: TaskReport, variants: Mapping[str, Samples]) -> Iterator[dict[str, Any]]:
    """Canonical accuracy; then of each variant accuracy and drop, where it changed anything."""
    (accuracy,) = task.analysis.accuracies
    yield _canonical(variants[CANONICAL], accuracy)
    drops = variant_drops(task)
    for info in task.variants:
        drop = drops.get(info.slug)
        if drop is not None and drop.estimate is not None:
            yield _accuracy(variants[info.slug], drop, info.evidence)
            yield _drop(variants[info.slug], drop)


def _canonical(samples: Samples, accuracy: Accuracy) -> dict[str, Any]:
    found = _result(samples, "accuracy", accuracy.estimate)
    found["score_details"]["uncertainty"] = _uncertainty(accuracy.interval, accuracy.n)
    return found


def _accuracy(samples: Samples, drop: Drop, evidence: str) -> dict[str, Any]:
    found = _result(samples, "accuracy", drop.variant_accuracy)
    found["score_details"]["uncertainty"] = {"num_samples": drop.n}
    found["score_details"]["details"] = {
        "computed_on": "items that the variant changed",
        "canonical_accuracy_on_these_items": str(drop.canonical_accuracy),
        "evidence": evidence,
        "family": samples.family,
        "perturber": samples.perturber,
        "severity": str(samples.severity),
    }
    return found


def _drop(samples: Samples, drop: Drop) -> dict[str, Any]:
    found = _result(samples, "drop", drop.estimate)
    found["score_details"]["uncertainty"] = _uncertainty(drop.headline, drop.n)
    found["score_details"]["details"] = {
        "computed_on": "items that the variant changed, paired with the canonical ones",
        "lost": str(drop.lost),
        "gained": str(drop.gained),
        "clusters": str(drop.clusters),
    }
    return found


def _result(samples: Samples, kind: str, score: float | None) -> dict[str, Any]:
    bounded = samples.rows.scores
    is_share = bool(((bounded >= 0) & (bounded <= 1) | (bounded != bounded)).all())
    lowest = 0.0 if kind == "accuracy" else -1.0
    return {
        "evaluation_result_id": result_id(samples, kind),
        "evaluation_name": evaluation_name(samples),
        "source_data": {"dataset_name": samples.task, "source_type": "other"},
        "metric_config": {
            "evaluation_description": _DESCRIPTIONS[kind],
            "metric_id": samples.metric if kind == "accuracy" else f"oodrop.drop.{samples.metric}",
            "metric_name": samples.metric if kind == "accuracy" else f"drop of {samples.metric}",
            "metric_kind": kind,
            "metric_unit": "proportion" if is_share else "points",
            "lower_is_better": kind == "drop",
            "score_type": "continuous",
            "min_score": lowest if is_share else "-Infinity",
            "max_score": 1.0 if is_share else "Infinity",
        },
        "score_details": {"score": score},
        "generation_config": {"additional_details": dict(sorted(samples.settings.items()))},
    }


_DESCRIPTIONS = {
    "accuracy": "Mean score over the items.",
    "drop": "Mean canonical score minus mean score under the variant, over the same items.",
}


def _uncertainty(interval: Interval | None, count: int) -> dict[str, Any]:
    if interval is None:
        return {"num_samples": count}
    found: dict[str, Any] = {
        "standard_error": {"value": interval.standard_error, "method": interval.method},
        "confidence_interval": {
            "lower": interval.low,
            "upper": interval.high,
            "confidence_level": interval.level,
            "method": interval.method,
        },
        "num_samples": count,
    }
    if interval.resamples is not None:
        found["num_bootstrap_samples"] = interval.resamples
    return found
