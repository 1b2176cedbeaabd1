"""The documents of the general reasoning set: ``process_docs`` of the task YAMLs.

Each adds the same columns, whatever the source calls its own: ``question``; ``gold`` (the
reference as text) or ``options`` and ``gold_index``; TheoremQA's ``kind``. The source's columns
stay, but for pictures. The README lists the columns that are read.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from typing import Any

__all__ = ["aime", "gpqa", "gsm8k", "math500", "minerva", "mmlu_pro", "theoremqa"]

Doc = Mapping[str, Any]
Dataset = Any  # datasets.Dataset, which this layer does not import


def theoremqa(dataset: Dataset) -> Dataset:
    """The 747 items without a picture; the picture column is dropped without being decoded."""
    if "Picture" in dataset.column_names:
        pictures = dataset.with_format("arrow")["Picture"]
        kept = [k for k, picture in enumerate(_python(pictures)) if not _shown(picture)]
        dataset = dataset.select(kept).remove_columns("Picture")
    return dataset.map(_theoremqa)


def math500(dataset: Dataset) -> Dataset:
    """MATH-500: ``problem`` and ``answer``."""
    return dataset.map(lambda doc: {"question": doc["problem"], "gold": doc["answer"]})


def gsm8k(dataset: Dataset) -> Dataset:
    """GSM8K: the reference is what stands after ``####``, without thousands separators."""
    return dataset.map(
        lambda doc: {"gold": doc["answer"].rsplit("####", 1)[-1].strip().replace(",", "")}
    )


def aime(dataset: Dataset) -> Dataset:
    """AIME 2024: ``Problem`` and ``Answer``, a number from 0 to 999."""
    return dataset.map(lambda doc: {"question": doc["Problem"], "gold": str(doc["Answer"])})


def minerva(dataset: Dataset) -> Dataset:
    """Minerva's course problems: ``question`` (or ``problem``) and ``answer``."""
    return dataset.map(
        lambda doc: {"question": doc.get("question") or doc["problem"], "gold": str(doc["answer"])}
    )


def mmlu_pro(dataset: Dataset) -> Dataset:
    """MMLU-Pro: the reference is the place of the letter ``answer`` in ``options``.

    In item 3983 ``answer`` and ``answer_index`` disagree; the letter is what upstream scores by.
    """
    return dataset.map(lambda doc: {"gold_index": ord(doc["answer"]) - ord("A")})


def gpqa(dataset: Dataset) -> Dataset:
    """GPQA: the four options in an order that depends on the item's own text alone."""
    return dataset.map(_gpqa)


def _gpqa(doc: Doc) -> dict[str, Any]:
    question = _tidy(doc["Question"])
    right = _tidy(doc["Correct Answer"])
    options = [right, *(_tidy(doc[f"Incorrect Answer {k}"]) for k in (1, 2, 3))]
    key = hashlib.sha256("\n".join([question, *options]).encode()).digest()
    rng = random.Random(int.from_bytes(key[:8], "big"))
    places = [0, 1, 2, 3]
    for k in (3, 2, 1):  # by hand: random.shuffle may change between versions
        other = int(rng.random() * (k + 1))
        places[k], places[other] = places[other], places[k]
    return {
        "question": question,
        "options": [options[place] for place in places],
        "gold_index": places.index(0),
    }


def _tidy(text: str) -> str:
    return text.strip().replace(" [title]", ". ").replace("  ", " ")


def _theoremqa(doc: Doc) -> dict[str, Any]:
    get = {name.lower(): value for name, value in doc.items()}
    answer, kind = get["answer"], get["answer_type"]
    if isinstance(answer, str):
        answer = _loaded(answer)
    return {"question": get["question"], "gold": str(answer), "kind": kind}


def _loaded(text: str) -> Any:
    """An answer in JSON (``true``) or as Python writes it (``True``) as its value, else as text."""
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return text


def _python(column: Any) -> list[Any]:
    return list(column.to_pylist() if hasattr(column, "to_pylist") else column)


def _shown(picture: Any) -> bool:
    """Whether there is a picture: a text, or a structure that holds bytes or a path."""
    value = picture.as_py() if hasattr(picture, "as_py") else picture
    return any(value.values()) if isinstance(value, dict) else bool(value)
