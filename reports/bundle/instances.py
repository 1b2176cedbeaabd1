"""Instances of the Every Eval Ever schema 0.3.0: one per item that counts, as it was logged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from oodrop.reports.lines import lines_at, parse_object
from oodrop.reports.render.text import encodable
from oodrop.reports.replies import answers_of, options_of, prompt_of
from oodrop.reports.results import Samples

SCHEMA_VERSION = "0.3.0"


def evaluation_name(samples: Samples) -> str:
    """The task of lm-eval."""
    return f"oodrop__{samples.variant}__{samples.task}"


def result_id(samples: Samples, kind: str) -> str:
    """What joins an instance to its aggregate result."""
    return f"{evaluation_name(samples)}:{kind}"


def instances(
    variants: Mapping[str, Samples], evaluation_id: str, model_id: str
) -> Iterator[dict[str, Any]]:
    """The scored items of every variant, in the order of the items.

    Args:
        variants: slug -> samples of one task.
        evaluation_id: of the aggregate record.
        model_id: ``developer/model``.
    """
    for samples in variants.values():
        common = {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": evaluation_id,
            "model_id": model_id,
            "evaluation_name": evaluation_name(samples),
            "evaluation_result_id": result_id(samples, "accuracy"),
        }
        items = [item for item in samples.rows if samples.rows[item].score is not None]
        places = [samples.logged(item) for item in items]
        lines = lines_at(samples.path, [place.offset for place in places])
        for item, place, line in zip(items, places, lines, strict=True):
            row = parse_object(line, f"{place.path}, byte {place.offset}")
            score = samples.rows[item].score or 0.0
            yield {**common, **_instance(item, row, score, samples)}


def _instance(item: str, row: Mapping[str, Any], score: float, samples: Samples) -> dict[str, Any]:
    prompt, reference = prompt_of(row), str(row["doc"]["oodrop"].get("gold", row.get("target")))
    choices, (said, chosen) = options_of(row), answers_of(row)
    hashed = encodable(prompt + reference).encode()
    return {
        "sample_id": item,
        "sample_hash": hashlib.sha256(hashed).hexdigest(),
        "interaction_type": "single_turn",
        "input": {"raw": prompt, "reference": [reference], "choices": choices or None},
        "output": {"raw": said},
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": chosen,
                "extraction_method": "log_likelihood" if choices else samples.filter,
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": score, "is_correct": score == 1.0},
        "metadata": {
            "variant": samples.variant,
            "cluster_id": str(row["doc"]["oodrop"]["cluster_id"]),
            "outcome": str(row["doc"]["oodrop"]["outcome"]),
            "doc_hash": str(row.get("doc_hash")),
            "prompt_hash": str(row.get("prompt_hash")),
        },
    }
