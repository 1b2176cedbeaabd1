"""huggingface/: what a model's repository on the Hub shows, made by huggingface_hub itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from oodrop import OodropError
from oodrop.reports.bundle.robustness import variant_drops
from oodrop.reports.model import Report, TaskReport
from oodrop.reports.render.labels import task_labels
from oodrop.reports.render.text import one_line
from oodrop.reports.statistics import Drop

ENTRIES = "huggingface/.eval_results/oodrop.yaml"
MODEL_INDEX = "huggingface/model-index.yaml"


def huggingface_files(report: Report) -> dict[str, bytes]:
    """Path -> content: ``.eval_results`` entries, and ``model-index`` metadata for a model card.

    Accuracies are shares. A dataset is named ``oodrop/<task>``, and a variant is its ``task_id``
    (in the model index its configuration); the accuracy of a variant is that over the items that
    it changed.

    Raises:
        OodropError: where huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import (
            EvalResult,
            EvalResultEntry,
            eval_result_entries_to_yaml,
        )
        from huggingface_hub.repocard_data import eval_results_to_model_index
    except ImportError:
        raise OodropError(
            "a bundle holds metadata that huggingface_hub writes, and it is not installed here: "
            "pip install 'huggingface_hub>=1.3'"
        ) from None

    (checkpoint,) = report.checkpoints
    entries, results = [], []
    for label, variant, accuracy, drop in _accuracies(report):
        dataset = f"oodrop/{label}"
        entries.append(
            EvalResultEntry(dataset, variant, accuracy, date=checkpoint.date, notes=_note(drop))
        )
        metrics = [("accuracy", accuracy)]
        if drop is not None and drop.estimate is not None:
            metrics.append(("accuracy_drop", _rounded(drop.estimate)))
        results += [
            EvalResult(
                task_type="text-generation",
                dataset_type=dataset,
                dataset_name=label,
                dataset_config=variant,
                metric_type=metric,
                metric_value=value,
            )
            for metric, value in metrics
        ]
    index = eval_results_to_model_index(one_line(checkpoint.name), results)
    return {
        ENTRIES: _yaml(eval_result_entries_to_yaml(entries)),
        MODEL_INDEX: _yaml({"model-index": index}),
    }


def _accuracies(report: Report) -> Iterator[tuple[str, str, float, Drop | None]]:
    """Task, variant, accuracy and drop: canonical first, then every variant with a drop."""
    for task, label in zip(report.tasks, task_labels(report), strict=True):
        yield label, "canonical", _rounded(_canonical(task)), None
        for slug, drop in variant_drops(task).items():
            if drop.variant_accuracy is not None:
                yield label, one_line(slug), _rounded(drop.variant_accuracy), drop


def _canonical(task: TaskReport) -> float:
    (accuracy,) = task.analysis.accuracies
    return accuracy.estimate


def _note(drop: Drop | None) -> str:
    if drop is None or drop.estimate is None:
        return "canonical items"
    said = f"accuracy over {drop.n} changed items, drop {100 * drop.estimate + 0.0:.2f} points"
    held = drop.headline
    if held is None:
        return said
    return f"{said} [{100 * held.low + 0.0:.2f}, {100 * held.high + 0.0:.2f}] ({held.method})"


def _rounded(value: float) -> float:
    return round(value, 6) + 0.0


def _yaml(content: Any) -> bytes:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=False, width=100)
    return text.encode()
