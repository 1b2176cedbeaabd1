"""Every item of the public sets: the reference itself, in each form, is right by both scores."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets

from oodrop.tasks.general import documents, scoring
from oodrop.tasks.general.equivalence import LABELS

FORMS = (
    r"Because of this, \boxed{%s}",
    "<think>So it is.</think> <answer>%s</answer>",
    "We see it at once. The answer is %s",
)


class Rows(list[dict[str, Any]]):
    """What ``process_docs`` needs of a dataset, without a cache on disk."""

    column_names = ()

    def map(self, function: Callable[[dict[str, Any]], dict[str, Any]]) -> Rows:
        return Rows({**row, **function(row)} for row in self)


def rows(path: Path) -> Rows:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return Rows(json.loads(line) for line in text.split("\n") if line)


def gold(doc: dict[str, Any]) -> str:
    return LABELS[doc["gold_index"]] if "gold_index" in doc else str(doc["gold"])


def failures(
    docs: Rows, score: Callable[[dict[str, Any], list[str]], dict[str, float]]
) -> Iterator[tuple[str, str, float, float]]:
    for doc in docs:
        for form in FORMS:
            metrics = score(doc, [form % gold(doc)])
            if not metrics["acc"] == metrics["acc_upstream"] == metrics["parsed"] == 1:
                yield doc["question"][:40], form, metrics["acc"], metrics["acc_upstream"]


def test_theoremqa(shared_data: Path) -> None:
    docs = documents.theoremqa(rows(shared_data / "theoremqa/theoremqa_747_text.jsonl"))
    assert len(docs) == 747
    assert list(failures(docs, scoring.theoremqa)) == []


def test_math500(shared_data: Path) -> None:
    docs = documents.math500(rows(shared_data / "math500/test.jsonl"))
    assert len(docs) == 500
    assert list(failures(docs, scoring.math_answer)) == []


def test_gsm8k(shared_data: Path) -> None:
    docs = documents.gsm8k(rows(shared_data / "gsm8k/test.jsonl"))
    assert len(docs) == 1319
    assert list(failures(docs, scoring.math_answer)) == []


def test_mmlu_pro(shared_data: Path) -> None:
    docs = documents.mmlu_pro(rows(shared_data / "mmlu_pro/test.jsonl.gz"))
    assert len(docs) == 12_032
    (odd,) = [doc for doc in docs if doc["gold_index"] != doc["answer_index"]]
    assert (odd["question_id"], gold(odd), odd["options"][2]) == (3983, "C", "N—H")
    assert list(failures(Rows(docs[::12]), scoring.letter_answer)) == []


def test_another_items_reference_is_wrong(shared_data: Path) -> None:
    """What strict scoring takes for equal among 160 pairs of MATH-500 is the same."""
    docs = documents.math500(rows(shared_data / "math500/test.jsonl"))
    golds = [doc["gold"] for doc in docs][::3]
    alike = {
        (a, b)
        for a, b in pairwise(golds)
        if a != b and scoring.math_answer({"gold": a}, [rf"\boxed{{{b}}}"])["acc"]
    }
    assert alike == set()


def test_both_files_of_theoremqa_give_the_same_items(shared_data: Path) -> None:
    """The file as published, with its pictures, and the 747 items that have none."""
    published = json.loads((shared_data / "theoremqa/theoremqa_test.json").read_text("utf-8"))
    plain = [{**row, "Answer": json.dumps(row["Answer"])} for row in published]
    docs = documents.theoremqa(datasets.Dataset.from_list(plain))
    own = documents.theoremqa(rows(shared_data / "theoremqa/theoremqa_747_text.jsonl"))
    keys = ("id", "question", "gold", "kind")
    assert [[doc[k] for k in keys] for doc in docs] == [[doc[k] for k in keys] for doc in own]
