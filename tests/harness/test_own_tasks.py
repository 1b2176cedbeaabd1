"""Tasks of a user's own: folders that are written whole, read with care, and run like ours."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from oodrop import DataError, UnknownNameError
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.perturbed import PerturbedTask
from oodrop.harness_ext.yamls import SHIPPED_SUITE, task_yamls
from oodrop.perturbers import Variant, get_suite
from oodrop.reports.build import build_report
from oodrop.tasks import TASKS, all_tasks, get_task
from oodrop.tasks.folders import KINDS
from oodrop.tasks.notes import read_note

from ..own import rows, write_lines


def test_the_folder_holds_data_note_and_yamls(mine: Path) -> None:
    folder = mine / "wards"
    assert [p.name for p in mine.iterdir()] == ["wards"]
    assert sorted(p.name for p in folder.iterdir()) == ["data", "lm_eval", "task.yaml"]
    note = read_note(folder, KINDS)
    assert (note.kind, note.name) == ("procedural_text", "wards")
    assert note.source.startswith("wards.jsonl, SHA-256 ")
    assert list(note.splits) == ["train", "test", "heldout"]
    for split, known in note.splits.items():
        content = gzip.decompress((folder / "data" / f"{split}.jsonl.gz").read_bytes())
        assert (known.items, known.compliant, known.clusters) == (12, 6, 3)
        assert known.sha256 == hashlib.sha256(content).hexdigest()
        assert content.count(b"\n") == 12


def test_the_yamls_are_what_the_generator_writes(named: Path) -> None:
    written = {p.name: p.read_text("utf-8") for p in (named / "lm_eval").glob("oodrop*.yaml")}
    fresh: dict[str, str] = {}
    for name in ("wards", "wards_choice", "wards_heldout"):
        fresh |= task_yamls(get_task(name), get_suite(SHIPPED_SUITE))
    assert written == fresh
    assert "oodrop__phrasing_question_paraphrase_p01__wards.yaml" in written
    assert "oodrop__ordering_event_order__wards.yaml" not in written
    fragments = sorted((named / "lm_eval").glob("_*.yaml"))
    assert [p.stem for p in fragments] == ["_text", "_text_choice", "_text_heldout"]
    for fragment in fragments:
        ours = TASKS["procedural"].folder / "lm_eval" / fragment.name
        assert fragment.read_bytes() == ours.read_bytes()


def test_the_same_file_gives_the_same_folder(mine: Path, tmp_path: Path) -> None:
    lines = mine.parent / "wards.jsonl"
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(tmp_path)]) == 0
    one, other = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (mine, tmp_path)
    )
    assert one == other


def test_tasks_are_found_by_folder_and_by_the_folder_above(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (str(mine), str(mine / "wards"), os.pathsep.join([str(tmp_path), str(mine)])):
        monkeypatch.setenv("OODROP_TASKS", value)
        assert get_task("wards_choice").name == "wards_choice"
        assert len(get_task("wards_heldout").docs("heldout")) == 12
        assert list(all_tasks()) == [*TASKS, "wards", "wards_choice", "wards_heldout"]
        assert get_task("everyday") is TASKS["everyday"]
    monkeypatch.chdir(mine / "wards")
    monkeypatch.setenv("OODROP_TASKS", ".")
    assert get_task("wards").folder == mine / "wards"
    monkeypatch.delenv("OODROP_TASKS")
    with pytest.raises(UnknownNameError, match="unknown task 'wards'; .*; OODROP_TASKS names"):
        get_task("wards")
    assert list(all_tasks()) == list(TASKS)


@pytest.mark.usefixtures("named")
def test_they_are_listed_and_an_unknown_name_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert oodrop(["list", "tasks"]) == 0
    shown = capsys.readouterr().out
    assert "wards_choice" in shown
    with pytest.raises(UnknownNameError, match="unknown task 'ward'; there are: wards"):
        get_task("ward")


@pytest.mark.usefixtures("named")
def test_a_run_with_the_reference_models_and_its_report(tmp_path: Path) -> None:
    models = ("oodrop-oracle", "oodrop-bow", "oodrop-majority")
    config = {
        "suite": "standard-1.0",
        "tasks": ["wards", "wards_choice", "wards_heldout"],
        "checkpoints": [{"name": model, "model": model} for model in models],
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    runs = tmp_path / "runs"
    assert oodrop(["run", str(tmp_path / "plan.yaml"), "-o", str(runs)]) == 0
    assert (runs / "report" / "report.html").is_file()
    report = build_report([runs / model for model in models], resamples=200)
    assert {t.task for t in report.tasks} == {"wards", "wards_choice", "wards_heldout"}
    for task in report.tasks:
        assert task.items == 12
        assert task.analysis.accuracies[0].estimate == 1.0
        assert task.analysis.accuracies[1].estimate == 1.0  # the two scenarios differ by words
        assert task.analysis.accuracies[2].estimate == 0.5
        drops = [d for d in task.analysis.drops if d.checkpoint == "oodrop-oracle"]
        assert {d.estimate for d in drops} == {0.0}
        slugs = {v.slug for v in task.variants}
        assert slugs >= {
            "control_identity", "control_rerun", "lexical_keyboard_typo_s2",
            "ordering_section_order_question_first", "phrasing_template_t05",
            "phrasing_question_paraphrase_p01",
        }  # fmt: skip
        assert not [s for s in slugs if "event_order" in s or "fact_order" in s]
    assert oodrop(["verify", str(runs / models[0])]) == 0


def test_children_are_left_alone_and_paired_with_their_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a type of one's own and without one; what their labels claim is shown as assumed."""
    made = (("r0", "r0a", "in short"), ("r0", "r0b", "in short"), ("r1", "r1a", None))
    whole = [{**row, "item_id": f"r{k}"} for k, row in enumerate(rows())]
    for source, name, kind in made:
        row = next(r for r in whole if r["item_id"] == source)
        child = {"item_id": name, "parent_id": source, "type": kind}
        whole.append({**row, **child, "scenario": f"{row['scenario']} This was {name}."})
    lines = write_lines(tmp_path / "wards.jsonl", whole)
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(tmp_path / "mine")]) == 0
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path / "mine"))
    spec = get_task("wards")
    parents = {item.item_id: item.parent for item in map(spec.item, spec.docs("test"))}
    assert {name: parent for name, parent in parents.items() if parent} == {
        name: (kind or "retelling", source) for source, name, kind in made
    }
    runs = tmp_path / "runs"
    assert oodrop(["run", "--model", "oodrop-oracle", "--tasks", "wards", "-o", str(runs)]) == 0
    (task,) = build_report([runs], resamples=50).tasks
    assert task.items == 15
    linked = {v.slug: v for v in task.variants if v.family == "linked"}
    assert {v.evidence for v in linked.values()} == {"assumed"}
    slugs = ("linked_in short", "linked_in short_2", "linked_retelling")
    assert tuple(linked) == slugs
    assert {s: d.n for d in task.analysis.drops if (s := d.name) in slugs} == dict.fromkeys(
        slugs, 1
    )
    logged = next(runs.rglob("samples_oodrop__lexical_keyboard_typo_s2__wards_*.jsonl"))
    found = [json.loads(line)["doc"]["oodrop"] for line in logged.read_text("utf-8").splitlines()]
    left = {row["item_id"]: row["outcome"] for row in found if row["parent"]}
    assert left == {name: "not_applicable" for _, name, _ in made}
    assert oodrop(["verify", str(runs)]) == 0


@pytest.mark.usefixtures("named", "own_index_only")
def test_stock_lm_eval_runs_them(
    mine: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own entry point; that it does so in a process of its own is shown with our tasks."""
    from lm_eval.__main__ import cli_evaluate

    command = [
        "lm_eval", "--model", "hf", "--device", "cpu", "--batch_size", "8",
        "--model_args", f"pretrained={tiny_model},dtype=float32", "--apply_chat_template",
        "--include_path", str(mine / "wards" / "lm_eval"), "--tasks", "oodrop_wards_choice",
        "--num_fewshot", "2", "--log_samples", "--output_path", str(tmp_path / "out"),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", command)
    cli_evaluate()
    assert oodrop(["report", str(tmp_path / "out"), "-o", str(tmp_path / "report")]) == 0
    found = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert [task["task"] for task in found["tasks"]] == ["wards_choice"]


def test_a_set_without_train_runs_and_has_no_examples_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = write_lines(tmp_path / "bare.jsonl", rows())
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(tmp_path / "mine")]) == 0
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path / "mine"))
    assert "bare_heldout" not in all_tasks()
    command = ["run", "--tasks", "bare", "-o", str(tmp_path / "runs"), "--model"]
    assert oodrop([*command, "oodrop-oracle"]) == 0
    capsys.readouterr()
    assert oodrop([*command, "oodrop-bow"]) == 2
    assert "task bare has no data for split 'train'" in " ".join(capsys.readouterr().err.split())
    fragment = yaml.safe_load("{training_split: train, fewshot_split: train}")
    declared = {"version": 1.0, "oodrop": {"task": "bare", **Variant().as_dict()}}
    task = PerturbedTask(
        config={
            **fragment,
            "task": "probe",
            "output_type": "multiple_choice",
            "test_split": "test",
            "doc_to_choice": "labels",
            "doc_to_target": "gold",
            "metadata": declared,
        }
    )
    task.set_config("num_fewshot", 1)
    with pytest.raises(DataError, match="1 few-shot examples were asked for, there are 0"):
        task.build_all_requests(limit=1)


def test_a_finished_run_is_not_reused_for_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path / "mine"))
    command = ["run", "--model", "oodrop-oracle", "--tasks", "same", "-o", str(tmp_path / "runs")]
    imports = ["data", "import", "procedural", str(tmp_path / "same.jsonl"), "-o"]
    for items, code in ((rows(), 0), (rows()[:8], 2)):
        shutil.rmtree(tmp_path / "mine", ignore_errors=True)
        write_lines(tmp_path / "same.jsonl", items)
        assert oodrop([*imports, str(tmp_path / "mine")]) == 0
        assert len(get_task("same").docs("test")) == len(items)
        assert oodrop(command) == code
    assert "holds an evaluation with another data" in " ".join(capsys.readouterr().err.split())


def test_no_code_of_a_folder_is_run(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompt, fragment and scoring of a run are oodrop's, whatever a folder brings along."""
    folder = tmp_path / "wards"
    shutil.copytree(mine / "wards", folder)
    (folder / "lm_eval" / "_text.yaml").write_text(
        "doc_to_text: '{{ cycler.__init__.__globals__.os.system(\"touch hacked\") }}'\n"
        "process_results: !function evil.go\n"
    )
    (folder / "lm_eval" / "evil.py").write_text("open('hacked', 'w')\n")
    (folder / "templates").mkdir()
    (folder / "templates" / "t05.jinja").write_text("evil")
    (folder / "paraphrases.yaml").write_text("segments: {question: {p01: evil}}")
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    command = ["run", "--model", "oodrop-oracle", "--tasks", "wards", "-o", "runs"]
    assert oodrop(command) == 0
    assert not list(tmp_path.rglob("hacked"))
    samples = next((tmp_path / "runs").rglob("samples_oodrop__phrasing_template_t05__*.jsonl"))
    assert "evil" not in samples.read_text("utf-8")
