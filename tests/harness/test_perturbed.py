"""`PerturbedTask` under lm-eval's own machinery."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lm_eval.tasks import TaskManager

from oodrop import DataError
from oodrop.harness_ext.perturbed import PerturbedTask
from oodrop.harness_ext.yamls import SHIPPED_SUITE, shipped_task_yamls, task_name
from oodrop.perturbers import Variant, get_suite, undo_edits
from oodrop.perturbers.edits import edits_from_dicts
from oodrop.tasks import TASKS, get_task, tasks_dir

from .conftest import is_one_of_many, thinned


@pytest.fixture(scope="module")
def manager() -> TaskManager:
    return TaskManager(include_path=str(tasks_dir()), include_defaults=False)


def load(manager: TaskManager, task: str, variant: Variant) -> PerturbedTask:
    found = manager.load(task_name(get_task(task), variant))["tasks"]
    (loaded,) = found.values()
    assert isinstance(loaded, PerturbedTask)
    return loaded


def contexts(task: PerturbedTask, shots: int) -> list[str]:
    task.set_config("num_fewshot", shots)
    task.set_fewshot_seed(1234)
    task.build_all_requests(limit=12)
    return [i.args[0] for i in task.instances if i.idx == 0]


def test_every_yaml_of_ours_is_in_the_index(manager: TaskManager) -> None:
    ours = {p.stem for p in tasks_dir().rglob("lm_eval/*.yaml") if not p.stem.startswith("_")}
    assert len(ours) > 50
    assert ours == set(manager.all_tasks)


@pytest.mark.parametrize("name", TASKS)
def test_committed_yamls_are_what_the_generator_writes(name: str) -> None:
    spec = get_task(name)
    fresh = shipped_task_yamls(spec)
    folder = spec.folder / "lm_eval"
    committed = {
        p.name: p.read_text("utf-8")
        for p in folder.glob("oodrop*.yaml")
        if p.name in fresh or p.stem.endswith(f"__{name}")
    }
    assert committed == dict(fresh)


def test_the_rerun_is_in_no_group(manager: TaskManager) -> None:
    for group in manager.all_groups:
        members = manager.task_index[group].cfg["task"]  # type: ignore[index]
        assert members
        assert not [m for m in members if "control_rerun" in m]


@pytest.mark.parametrize("variant", [Variant(), *get_suite(SHIPPED_SUITE).variants], ids=str)
def test_documents_stay_at_their_index_and_carry_the_record(
    manager: TaskManager, variant: Variant
) -> None:
    names = ("procedural", "everyday", "everyday_letters")
    with thinned(is_one_of_many, tasks=names):
        check_documents(manager, names, variant)


def check_documents(manager: TaskManager, names: tuple[str, ...], variant: Variant) -> None:
    name = next(n for n in names if task_name(get_task(n), variant) in manager.all_tasks)
    task = load(manager, name, variant)
    original = get_task(name).docs("test")
    docs = list(task.eval_docs)
    assert len(docs) > 10
    assert [d["item_id"] for d in docs] == [d["item_id"] for d in original]
    for doc in docs:
        record = doc["oodrop"]
        assert record["item_id"] == doc["item_id"]
        assert record["variant"] == variant.slug
        assert set(record) >= {
            "cluster_id", "family", "severity", "seed", "perturber_version", "outcome",
            "evidence", "edits", "guards", "canonical_sha256", "settings", "scored", "eligible",
        }  # fmt: skip
        assert record["scored"] == (
            record["outcome"] in ("canonical", "changed") or record["family"] == "control"
        )
        json.dumps(record)


def test_few_shot_examples_of_a_document_variant_stay_canonical(manager: TaskManager) -> None:
    clean = contexts(load(manager, "everyday", Variant()), 3)
    typos = contexts(load(manager, "everyday", Variant("lexical.keyboard_typo", {}, 2)), 3)
    examples = [text.rpartition("\n\n")[0].rpartition("\n\n")[0] for text in clean]
    assert all(examples)
    for example, before, after in zip(examples, clean, typos, strict=True):
        assert after.startswith(example)
        assert after != before


def test_a_prompt_variant_applies_to_the_few_shot_examples_alike(manager: TaskManager) -> None:
    spec = get_task("everyday")
    variant = Variant("phrasing.template", {"id": "t01"})
    opening = spec.templates["t01"].split("\n")[0]
    for text in contexts(PerturbedTask(config=config(variant)), 3):
        assert text.count(opening) == 4
        assert "Question:" not in text


def test_few_shot_examples_belong_to_the_item() -> None:
    """The same ones whatever is left out, and no two items need have the same."""
    whole = contexts(PerturbedTask(config=config(Variant())), 3)
    task = PerturbedTask(config=config(Variant()))
    task.set_config("num_fewshot", 3)
    task.set_fewshot_seed(1234)
    task.build_all_requests(samples=[2, 7])
    assert [i.args[0] for i in task.instances if i.idx == 0] == [whole[2], whole[7]]
    examples = {text.rpartition("\n\nQuestion:")[0].rpartition("\n\n")[0] for text in whole}
    assert len(examples) == len(whole)


def examples_of(text: str) -> list[str]:
    """Question and answer of each example in a prompt of the canonical template."""
    return re.findall(r"^Question: (.+\n .+)$", text, re.M)


@pytest.mark.parametrize("k", ["1", "2", "3"])
def test_few_shot_examples_are_shown_in_another_order_or_drawn_anew(k: str) -> None:
    clean = contexts(PerturbedTask(config=config(Variant())), 3)
    for name, same in (("ordering.fewshot_order", True), ("ordering.fewshot_resample", False)):
        changed = contexts(PerturbedTask(config=config(Variant(name, {"k": k}))), 3)
        for before, after in zip(map(examples_of, clean), map(examples_of, changed), strict=True):
            assert len(before) == len(after) == 3
            assert before != after
            assert (sorted(before) == sorted(after)) == same


def test_without_examples_their_order_is_not_applicable() -> None:
    task = PerturbedTask(config=config(Variant("ordering.fewshot_order", {"k": "1"})))
    assert {doc["oodrop"]["outcome"] for doc in task.eval_docs} == {"not_applicable"}
    task.set_config("num_fewshot", 1)  # a single one has no other order
    assert {doc["oodrop"]["outcome"] for doc in task.eval_docs} == {"not_applicable"}
    task.set_config("num_fewshot", 2)
    assert {doc["oodrop"]["outcome"] for doc in task.eval_docs} == {"changed"}


def test_a_document_with_few_shot_examples_proves_itself() -> None:
    """The record alone, read from a log, gives the canonical item back."""
    task = PerturbedTask(config=config(Variant("ordering.fewshot_order", {"k": "1"})))
    task.set_config("num_fewshot", 3)
    for logged in list(task.eval_docs)[:5]:
        doc = json.loads(json.dumps(logged))
        undone = undo_edits(task.spec.item(doc), edits_from_dicts(doc["oodrop"]["edits"]))
        assert undone.sha256() == doc["oodrop"]["canonical_sha256"]


def test_no_few_shot_example_is_the_evaluated_item() -> None:
    for spec in TASKS.values():
        train = {d["item_id"] for d in spec.docs(spec.train_split)}
        assert train.isdisjoint(d["item_id"] for d in spec.docs(spec.eval_split))


def config(variant: Variant) -> dict[str, Any]:
    return {
        "task": "probe",
        "class": PerturbedTask,
        "output_type": "multiple_choice",
        "training_split": "train",
        "test_split": "test",
        "fewshot_config": {"split": "train"},
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metadata": {"version": 1.0, "oodrop": {"task": "everyday", **variant.as_dict()}},
    }


def test_a_document_that_was_not_changed_yields_no_metric() -> None:
    answers = [(-1.0, False), (-2.0, False), (-3.0, False), (-4.0, False)]
    metrics = {}
    for name in ("ordering.clause_order", "ordering.fact_order", "control.rerun"):
        task = PerturbedTask(config=config(Variant(name)))
        doc = next(iter(task.eval_docs))
        metrics[doc["oodrop"]["outcome"]] = bool(task.process_results(doc, answers))
    assert metrics == {"not_applicable": False, "changed": True, "unchanged": True}


def test_an_item_whose_template_was_refused_keeps_the_canonical_prompt() -> None:
    task = PerturbedTask(config=config(Variant("phrasing.template", {"id": "t01"})))
    docs = [dict(doc) for doc in list(task.eval_docs)[:2]]
    docs[0]["oodrop"] = {**docs[0]["oodrop"], "settings": {"template": "canonical"}}
    spec = get_task("everyday")
    assert [task.doc_to_text(d) for d in docs] == [
        spec.prompt(docs[0]),
        spec.prompt(docs[1], "t01"),
    ]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (None, "metadata.oodrop must name the task"),
        ({"task": "nowhere"}, "unknown task 'nowhere'"),
        ({"task": "everyday", "perturber": "lexical.keyboard_tipo"}, "unknown perturber"),
        ({"task": "everyday", "perturber": "control.identity", "severity": 9}, "severity"),
    ],
)
def test_a_yaml_with_bad_metadata_is_refused(declared: Any, message: str) -> None:
    bad = config(Variant())
    bad["metadata"] = {"oodrop": declared} if declared else {}
    with pytest.raises(Exception, match=message) as caught:
        PerturbedTask(config=bad)
    assert type(caught.value).__module__ == DataError.__module__


def test_stock_lm_eval_runs_our_tasks_and_report_reads_them(
    tiny_model: Path, tmp_path: Path
) -> None:
    """The path without our command line: a real model, stock lm_eval, then `oodrop report`."""
    command = [
        sys.executable, "-m", "lm_eval", "--model", "hf", "--device", "cpu", "--batch_size", "8",
        "--model_args", f"pretrained={tiny_model},dtype=float32", "--apply_chat_template",
        "--include_path", str(tasks_dir()), "--tasks", "oodrop_everyday", "--limit", "12",
        "--log_samples", "--output_path", str(tmp_path / "out"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    command = [sys.executable, "-m", "oodrop.harness_ext.cli", "report", str(tmp_path / "out")]
    command += ["-o", str(tmp_path / "report")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "12 items" in done.stdout or "12" in done.stdout
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert report["checkpoints"][0]["model_args"].startswith("pretrained=tiny-qwen2")
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
