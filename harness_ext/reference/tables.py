"""Probability scores as lm-eval would have written them: rows of samples, and a results file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from oodrop.harness_ext.reference.score import METRIC, PLAIN, UNREASONED, Question
from oodrop.reports.results import RunFile, Samples

Row = dict[str, Any]
_COPIED = ("doc_id", "target", "doc_hash", "prompt_hash", "target_hash")
_BY_TASK = ("versions", "n-shot", "n-samples")
_NOT_OURS = ("results", "configs", "group_subtasks", "groups", "task_hashes")
_OF_ANOTHER_METRIC = ("process_results", "doc_to_choice", "filter_list", "should_decontaminate")


def reference_row(
    sample: Mapping[str, Any],
    asked: Question,
    found: Sequence[Sequence[float]],
    metrics: Mapping[str, float],
    suffix: str,
) -> Row:
    """A line of a samples file.

    ``arguments`` are contexts with the reference, ``resps`` the log-probabilities of its tokens
    (a reply without an answer as it is), of each reply and, last, without reasoning.

    Args:
        sample: the logged reply.
        asked: what was asked of the model.
        found: the answers; none where the document is not scored.
        metrics: of the document; none where it is not scored.
        suffix: added to the name of the task.
    """
    record = sample["doc"]["oodrop"]
    record = {**record, "task": f"{record['task']}_{suffix}", "of_task": record["task"]}
    prompt, values = sample["arguments"]["gen_args_0"]["arg_0"], iter(found)
    contexts, replies = [], []
    for context, reply in zip(asked.contexts, sample["resps"][0], strict=True):
        contexts.append(prompt + reply if context is None else context)
        replies.append([reply] if context is None else list(next(values, ())))
    if asked.unreasoned is not None:
        contexts.append(asked.unreasoned)
        replies.append(list(next(values, ())))
    return {
        **{key: sample.get(key) for key in _COPIED},
        "doc": {**sample["doc"], "oodrop": record},
        "arguments": {
            f"gen_args_{k}": {"arg_0": context, "arg_1": asked.reference}
            for k, context in enumerate(contexts)
        },
        "resps": replies,
        "filtered_resps": [_words(asked, metrics)],
        "filter": "none",
        "metrics": list(metrics),
        **metrics,
    }


def reference_results(
    source: RunFile,
    tables: Mapping[str, tuple[Samples, Sequence[Mapping[str, float]]]],
    metric: str,
    suffix: str,
    scored_with: Mapping[str, Any],
) -> dict[str, Any]:
    """The results file: that of the replies, with the scores' tasks in place of its own.

    Args:
        source: where the replies were logged.
        tables: name of the task -> the replies, and the metrics of each.
        metric: the primary metric.
        suffix: added to the name of the task.
        scored_with: the model that gave the probabilities.
    """
    data = json.loads(source.path.read_bytes())
    before = {name: f"oodrop__{s.variant}__{s.task}" for name, (s, _) in tables.items()}
    made: dict[str, Any] = {key: data[key] for key in data if key not in _NOT_OURS}
    made["results"] = {name: _means(name, rows) for name, (_, rows) in tables.items()}
    made["configs"] = {
        name: _config(name, data["configs"][before[name]], metric, suffix) for name in tables
    }
    for key in _BY_TASK:
        own = data.get(key) or {}
        made[key] = {name: own[old] for name, old in before.items() if old in own}
    made["higher_is_better"] = {name: {metric: True} for name in tables}
    made["scored_with"] = dict(scored_with)
    return made


def _config(name: str, config: Mapping[str, Any], metric: str, suffix: str) -> dict[str, Any]:
    declared = config["metadata"]["oodrop"]
    own = {
        "task": f"{declared['task']}_{suffix}",
        "metric": metric,
        "filter": "none",
        "chance": 0.0,
    }
    if declared.get("heldout_of"):
        own["heldout_of"] = f"{declared['heldout_of']}_{suffix}"
    return {
        **{key: value for key, value in config.items() if key not in _OF_ANOTHER_METRIC},
        "task": name,
        "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True}],
        "metadata": {**config["metadata"], "oodrop": {**declared, **own}},
    }


def _means(name: str, rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    found: dict[str, Any] = {"alias": name, "sample_len": len(rows)}
    for metric in (METRIC, PLAIN, UNREASONED):
        values = [row[metric] for row in rows if metric in row]
        if values:
            found[f"{metric},none"] = fmean(values)
    return found


def _words(asked: Question, metrics: Mapping[str, float]) -> str:
    """What reports show where they show a reply."""
    if not any(context is not None for context in asked.contexts):
        return f"{asked.reference} (the reply has no answer: 0)"
    words = [f"{metrics[PLAIN]:.4f}"] if PLAIN in metrics else ["not scored"]
    if UNREASONED in metrics:
        words.append(f"{metrics[UNREASONED]:.4f} without the reasoning")
    return f"{asked.reference} (probability {', '.join(words)})"
