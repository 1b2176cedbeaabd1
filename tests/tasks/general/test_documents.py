"""The tasks load in the stock harness, and their documents say what their sources say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from lm_eval.api.model import LM
from lm_eval.evaluator import evaluate
from lm_eval.tasks import TaskManager

from oodrop.tasks import tasks_dir
from oodrop.tasks.general import documents

FOLDER = tasks_dir() / "general" / "lm_eval"
NAMES = {
    "theoremqa", "math500_free", "gsm8k_free", "aime24_free", "minerva_free", "mmlu_pro_free",
    "gpqa_diamond_free",
}  # fmt: skip
METRICS = {"acc", "acc_upstream", "parsed", "reasoning_tokens", "at_once", "truncated"}
GPQA = {
    "Question": "Which one? ", "Correct Answer": "right", "Incorrect Answer 1": "wrong one",
    "Incorrect Answer 2": "wrong two", "Incorrect Answer 3": "wrong [title]three",
}  # fmt: skip


def load(
    folder: Path, name: str, rows: list[dict[str, Any]], split: str = "test", **keys: Any
) -> Any:
    """The task as the stock harness loads it, with rows of a file in place of the hub's."""
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = {"task": f"own_{name}", "dataset_path": "json", "dataset_name": None}
    own |= {"dataset_kwargs": {"data_files": {split: str(data)}, "cache_dir": str(folder)}} | keys
    lines = [f"include: {FOLDER / name}.yaml", *(f"{k}: {json.dumps(v)}" for k, v in own.items())]
    (folder / f"own_{name}.yaml").write_text("\n".join(lines))
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return manager.load([f"own_{name}"])["tasks"][f"own_{name}"]


def test_every_task_is_in_the_index() -> None:
    manager = TaskManager(include_path=str(tasks_dir()), include_defaults=False)
    assert set(manager.all_tasks) >= NAMES
    own = {path.stem for path in FOLDER.glob("[!_]*.yaml")}
    assert set(manager.all_tasks) >= own
    assert {name for name in own if not name.startswith("oodrop_")} == NAMES


@pytest.mark.parametrize(
    ("name", "row", "split", "target", "shown"),
    [
        ("math500_free", {"problem": "1/2?", "answer": r"\frac12"}, "test", r"\frac12", "1/2?"),
        ("gsm8k_free", {"question": "q", "answer": "a\n#### 1,234"}, "test", "1234", "q"),
        ("aime24_free", {"Problem": "q", "Answer": 33}, "train", "33", "q"),
        ("minerva_free", {"question": "q", "answer": "4.5e33"}, "test", "4.5e33", "q"),
        ("minerva_free", {"problem": "q", "answer": "4.5e33"}, "test", "4.5e33", "q"),
        (
            "mmlu_pro_free",
            {"question": "q", "options": list("wxyz"), "answer": "C", "answer_index": 1},
            "test", "C", "(A) w\n(B) x\n(C) y\n(D) z\n",
        ),
        ("gpqa_diamond_free", GPQA, "train", "A", "(A) right\n"),
        ("theoremqa", {"question": "q", "answer": "true", "answer_type": "bool"}, "test", "True",
         "True or False"),
        ("theoremqa", {"Question": "q", "Answer": "(c)", "Answer_type": "option"}, "test", "(c)",
         "letter"),
    ],
)  # fmt: skip
def test_a_task_in_the_stock_harness(
    tmp_path: Path, name: str, row: dict[str, Any], split: str, target: str, shown: str
) -> None:
    task = load(tmp_path, name, [row], split)
    (doc,) = task.test_docs()
    assert task.doc_to_target(doc) == target
    prompt = task.doc_to_text(doc)
    assert prompt.startswith(doc["question"])
    assert shown in prompt
    assert r"within \boxed{}" in prompt
    assert task.config.generation_kwargs == {
        "until": [], "do_sample": False, "max_gen_toks": 3072
    }  # fmt: skip
    metrics = task.process_results(doc, [rf"So \boxed{{{target}}}"])
    assert set(metrics) == METRICS == set(task.aggregation())
    assert (metrics["acc"], metrics["acc_upstream"]) == (1, 1)


def test_the_order_of_gpqa_is_the_items_own() -> None:
    """Neither the other items, nor their order, nor any generator of the process decides it."""
    rows = [{**GPQA, "Question": f"Which of {k}?"} for k in range(60)]
    forward = documents.gpqa(datasets.Dataset.from_list(rows))
    backward = documents.gpqa(datasets.Dataset.from_list(rows[::-1]))
    assert [doc["options"] for doc in forward] == [doc["options"] for doc in backward][::-1]
    assert all(doc["options"][doc["gold_index"]] == "right" for doc in forward)
    assert all(sorted(doc["options"])[0] == "right" and len(doc["options"]) == 4 for doc in forward)
    places = [doc["gold_index"] for doc in forward]
    assert {places.count(k) > 5 for k in range(4)} == {True}
    assert places[:8] == [0, 1, 0, 2, 0, 0, 1, 2]  # frozen: another order is another task


def test_items_with_a_picture_are_left_out_without_reading_it() -> None:
    """The hub's column holds images, which would need Pillow to be decoded."""
    pictures = pa.array(
        [None, {"bytes": b"no image", "path": None}, None],
        type=pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    )
    table = pa.table(
        {
            "Question": ["a", "b", "c"],
            "Answer": ["1", "[1, 2]", "True"],
            "Answer_type": ["integer", "list of integer", "bool"],
            "Picture": pictures,
        }
    )
    hub = datasets.Dataset(table).cast_column("Picture", datasets.Image())
    kept = documents.theoremqa(hub)
    assert [(doc["question"], doc["gold"]) for doc in kept] == [("a", "1"), ("c", "True")]
    assert "Picture" not in kept.column_names


class Sampler(LM):
    """Replies in turn, as sampling would."""

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        return [rf"\boxed{{{5 + k % 2}}}" for k, _ in enumerate(requests)]

    def loglikelihood(self, requests: list[Any]) -> Any:
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


def test_repeats_give_the_mean_of_k(tmp_path: Path) -> None:
    rows = [{"question": f"q{k}", "answer": "#### 5"} for k in range(3)]
    keep = {"name": "k", "filter": [{"function": "take_first_k", "k": 4}]}
    task = load(tmp_path, "gsm8k_free", rows, repeats=4, filter_list=[keep])
    found = evaluate(Sampler(), {"own": task}, bootstrap_iters=0)
    assert found is not None
    (results,) = found["results"].values()
    assert (results["acc,k"], results["parsed,k"]) == (0.5, 1)
