"""Results that must not be paired: other settings, other items, other documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, NotComparableError
from oodrop.reports.results import SETTINGS

from .refusals import Read, fails
from .runs import (
    CANONICAL,
    IDENTITY,
    MAIN,
    ORDER,
    RERUN,
    TYPO,
    Kind,
    Row,
    edit_line,
    mark,
    rehash,
    rows,
    samples_file,
    sha256,
    task_name,
    tasks_of,
    write_checkpoint,
    write_run,
)

Edit = Callable[[Any], Any]


def test_a_variant_without_its_canonical_run(tmp_path: Path, read: Read) -> None:
    write_run(tmp_path, tasks_of(TYPO, ORDER))
    fails(read, tmp_path, DataError, "alpha", TYPO.slug, task_name(CANONICAL))


def test_a_canonical_run_of_another_checkpoint_does_not_count(tmp_path: Path, read: Read) -> None:
    write_run(tmp_path, tasks_of(CANONICAL), model_args="pretrained=org/alpha")
    write_run(tmp_path, tasks_of(TYPO), model_args="pretrained=org/beta", day=1)
    fails(read, tmp_path, DataError, "beta", TYPO.slug, task_name(CANONICAL))


def _shots(d: dict[str, Any]) -> None:
    d["n-shot"] = dict.fromkeys(d["n-shot"], 5)


def _version(d: dict[str, Any]) -> None:
    d["versions"] = dict.fromkeys(d["versions"], 2.0)


def _config(key: str, value: object) -> Edit:
    return lambda d: d["config"].update({key: value})


def _top(key: str, value: object) -> Edit:
    return lambda d: d.update({key: value})


def _task(key: str, value: object) -> Edit:
    return lambda d: [c.update({key: value}) for c in d["configs"].values()]


def _metadata(key: str, value: object) -> Edit:
    return lambda d: [c["metadata"]["oodrop"].update({key: value}) for c in d["configs"].values()]


OTHER_SETTINGS = {
    "n-shot": (_shots, "num_fewshot"),
    "chat template": (_top("chat_template_sha", "f00"), "chat_template"),
    "system instruction": (_top("system_instruction_sha", "f00"), "system_instruction"),
    "multiturn": (_top("fewshot_as_multiturn", False), "fewshot_as_multiturn"),
    "gen_kwargs": (_config("gen_kwargs", {"temperature": 1.0}), "gen_kwargs"),
    "fewshot seed": (_config("fewshot_seed", 1), "fewshot_seed"),
    "model": (_config("model", "vllm"), "model"),
    "model args": (_config("model_args", "pretrained=org/alpha,dtype=float16"), "model_args"),
    "lm-eval": (_top("lm_eval_version", "0.4.9"), "lm_eval_version"),
    "task version": (_version, "task_version"),
    "output type": (_task("output_type", "generate_until"), "output_type"),
    "generation": (_task("generation_kwargs", {"temperature": 1}), "generation_kwargs"),
    "repeats": (_task("repeats", 4), "repeats"),
    "metric": (_metadata("metric", "acc_norm"), "metric"),
    "chance": (_metadata("chance", 0.5), "chance"),
}


def test_every_setting_is_tried() -> None:
    """The filter is that of the rows too: test_importer.py."""
    assert {setting for _, setting in OTHER_SETTINGS.values()} | {"filter"} == set(SETTINGS)


@pytest.mark.parametrize(("edit", "setting"), OTHER_SETTINGS.values(), ids=list(OTHER_SETTINGS))
def test_a_variant_under_other_settings(
    tmp_path: Path, read: Read, edit: Edit, setting: str
) -> None:
    place = mark(tmp_path / "alpha", "alpha")
    write_run(place / "main", tasks_of(CANONICAL, ORDER))
    samples = [{**row, "acc_norm": row.get("acc")} for row in rows(TYPO)]
    write_run(place / "more", {task_name(TYPO): samples}, day=1, edit=edit)
    fails(
        read, tmp_path, NotComparableError, "checkpoint alpha", "task everyday", TYPO.slug, setting
    )


PER_TASK = ["n-shot", "task version", "generation", "metric", "chance"]


@pytest.mark.parametrize("name", PER_TASK)
def test_one_variant_of_a_plain_run_under_other_settings(
    tmp_path: Path, read: Read, name: str
) -> None:
    """The tasks of one call can differ only in what a task sets itself."""
    edit, setting = OTHER_SETTINGS[name]

    def only_typo(results: dict[str, Any]) -> None:
        changed = json.loads(json.dumps(results))
        edit(changed)
        for key in ("n-shot", "versions", "configs"):
            results[key][task_name(TYPO)] = changed[key][task_name(TYPO)]

    tasks = tasks_of(*MAIN)
    for row in tasks[task_name(TYPO)]:
        row["acc_norm"] = row.get("acc")
    write_run(tmp_path, tasks, edit=only_typo)
    fails(read, tmp_path, NotComparableError, "checkpoint alpha", TYPO.slug, setting)


@pytest.mark.parametrize("name", ["n-shot", "chat template", "gen_kwargs"])
def test_a_plain_run_repeated_under_other_settings(tmp_path: Path, read: Read, name: str) -> None:
    """Newer does not mean better: it must not silently replace what it does not repeat."""
    edit, setting = OTHER_SETTINGS[name]
    write_run(tmp_path, tasks_of(*MAIN))
    write_run(tmp_path, tasks_of(*MAIN), day=1, edit=edit)
    fails(read, tmp_path, NotComparableError, "checkpoint alpha", "everyday", setting)


def test_secrets_do_not_reach_the_message(tmp_path: Path, read: Read) -> None:
    place = mark(tmp_path / "alpha", "alpha")
    args = "pretrained=org/alpha,api_key=sk-123"
    write_run(place / "main", tasks_of(CANONICAL), model_args=args)
    write_run(place / "more", tasks_of(TYPO), model_args=f"{args},dtype=float16", day=1)
    message = fails(read, tmp_path, NotComparableError, "model_args")
    assert "sk-123" not in message


def test_a_variant_on_other_items(tmp_path: Path, read: Read) -> None:
    tasks = tasks_of(CANONICAL) | {task_name(TYPO): rows(TYPO, items=range(1, 13))}
    write_run(tmp_path, tasks)
    parts = ("alpha", "everyday", TYPO.slug, "everyday.000", "among 2")
    fails(read, tmp_path, NotComparableError, *parts)


def test_a_variant_of_another_canonical_text(alpha: Path, read: Read) -> None:
    other = sha256("another text")
    path = samples_file(alpha, TYPO)
    edit_line(path, 5, lambda row: row["doc"]["oodrop"].update(canonical_sha256=other))
    fails(read, alpha, NotComparableError, "alpha", "everyday", TYPO.slug, "everyday.004")


@pytest.mark.parametrize("kind", [CANONICAL, TYPO, RERUN], ids=lambda kind: kind.slug)
def test_two_checkpoints_with_other_documents(tmp_path: Path, read: Read, kind: Any) -> None:
    write_checkpoint(tmp_path, "alpha")
    beta = write_checkpoint(tmp_path, "beta", score=lambda k: 1.0)

    def other(row: dict[str, Any]) -> None:
        row["doc"]["question"] += " "
        rehash(row)

    edit_line(samples_file(beta, kind), 5, other)
    fails(
        read, tmp_path, NotComparableError, "alpha", "beta", "everyday.004", "everyday", kind.slug
    )


def test_two_checkpoints_without_document_hashes(tmp_path: Path, read: Read) -> None:
    write_checkpoint(tmp_path, "alpha")
    path = samples_file(tmp_path, TYPO)
    edit_line(path, 5, lambda row: row.pop("doc_hash"))
    fails(read, tmp_path, DataError, f"{path}, line 5", "'doc_hash'")


@pytest.mark.parametrize(
    "name", ["task version", "metric", "chance", "output type", "fewshot seed"]
)
def test_two_checkpoints_on_another_edition_of_a_task(
    tmp_path: Path, read: Read, name: str
) -> None:
    """Chat template and model differ between checkpoints by design, the task must not."""
    edit, setting = OTHER_SETTINGS[name]
    write_run(tmp_path, tasks_of(*MAIN), model_args="pretrained=alpha")
    tasks = tasks_of(*MAIN, score=lambda k: 1.0)
    for samples in tasks.values():
        for row in samples:
            row["acc_norm"] = row.get("acc")
    write_run(tmp_path, tasks, model_args="pretrained=beta", day=1, edit=edit)
    fails(read, tmp_path, NotComparableError, "alpha", "beta", "everyday", setting)


@pytest.mark.parametrize("kind", [IDENTITY, RERUN], ids=lambda k: k.slug)
def test_a_placebo_with_another_prompt_measures_something_else(
    tmp_path: Path, read: Read, kind: Kind
) -> None:
    """Other few-shot examples, say, under the same document: no noise floor, no placebo."""
    write_checkpoint(tmp_path, "alpha")

    def other_examples(row: Row) -> None:
        row["prompt_hash"] = "0" * 64

    edit_line(samples_file(tmp_path, kind), 5, other_examples)
    fails(read, tmp_path, NotComparableError, "alpha", kind.slug, "everyday.004", "another prompt")


def test_arguments_in_another_order_are_the_same_checkpoint(tmp_path: Path, read: Read) -> None:
    write_run(tmp_path, tasks_of(CANONICAL), model_args="pretrained=org/alpha,dtype=float32")
    write_run(tmp_path, tasks_of(TYPO), model_args="dtype=float32,pretrained=org/alpha", day=1)
    assert [c.name for c in read(tmp_path).checkpoints] == ["alpha"]
