"""``oodrop derive`` and ``oodrop run`` on any task of lm-eval."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from lm_eval.tasks import TaskManager

from oodrop.harness_ext import perturbed
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.derive import bases, registry
from oodrop.harness_ext.derive.documents import Documents
from oodrop.harness_ext.derive.task import DerivedTask

Stubs = Callable[[str], Path]


def said(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr()
    return " ".join((shown.out + shown.err).split())


def test_what_is_written_is_what_stock_lm_eval_loads(
    stubs: Stubs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "derived"
    command = ["derive", "arc_easy", "--data", f"arc_easy={stubs('arc_easy')}", "-o", str(out)]
    assert oodrop([*command, "--suite", "smoke-1.0"]) == 0
    assert "question" in said(capsys)
    names = sorted(p.stem for p in out.rglob("oodrop__*.yaml"))
    assert names == [
        "oodrop__canonical__arc_easy",
        "oodrop__control_identity__arc_easy",
        "oodrop__control_rerun__arc_easy",
        "oodrop__lexical_keyboard_typo_s2__arc_easy",
        "oodrop__lexical_synonym_s5__arc_easy",
        "oodrop__phrasing_template_t05__arc_easy",
    ]
    manager = TaskManager(include_path=str(out), include_defaults=False)
    assert set(names) | {"oodrop_arc_easy", "oodrop_arc_easy_lexical"} <= set(manager.all_tasks)
    task = manager.load(["oodrop__lexical_keyboard_typo_s2__arc_easy"])["tasks"]
    (made,) = task.values()
    assert isinstance(made, DerivedTask)
    assert made.eval_docs[0]["oodrop"]["perturber"] == "lexical.keyboard_typo"


def test_a_group_gets_a_group_and_refused_members_are_told(
    stubs: Stubs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = [f"--data={name}={stubs(name)}" for name in ("sst2", "cola")]
    assert oodrop(["derive", "sst2", "cola", *data, "-o", str(tmp_path / "d")]) == 0
    text = said(capsys)
    assert "refused" in text
    assert "every edit touches the form" in text
    assert not list((tmp_path / "d").rglob("*cola*"))


def test_check_prints_the_audit(stubs: Stubs, capsys: pytest.CaptureFixture[str]) -> None:
    data = f"mmlu_astronomy={stubs('mmlu_astronomy')}"
    command = ["derive", "mmlu_astronomy", "--data", data, "--check", "--num-fewshot", "2"]
    assert oodrop([*command, "--max-length", "150"]) == 0
    text = said(capsys)
    assert "ordering_option_shuffle 6" in text.replace("…", "")


def test_overrides_are_taken_and_proved(stubs: Stubs, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["derive", "boolq", "--data", f"boolq={stubs('boolq')}"]
    assert oodrop([*command, "--fields", "question"]) == 0
    assert "passage" not in said(capsys)
    assert oodrop([*command, "--fields", "nothing"]) == 2
    assert "--fields nothing: no text of the documents; there are:" in said(capsys)
    assert oodrop([*command, "--choices", "passage,question"]) == 2
    assert "the prompt does not list these options" in said(capsys)
    assert oodrop([*command, "sciq", "--data", f"sciq={stubs('sciq')}", "--gold", "x"]) == 2
    assert "say how one task is made up" in said(capsys)


def test_unknown_names_and_refusals_leave_with_2(
    stubs: Stubs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert oodrop(["derive", "arc_esy"]) == 2
    assert "arc_easy" in said(capsys)
    assert oodrop(["derive", "no_such_*"]) == 2
    assert "no task of lm-eval matches" in said(capsys)
    assert oodrop(["derive", "wikitext", "--data", f"wikitext={stubs('wikitext')}"]) == 2
    assert "none of wikitext can be perturbed faithfully" in said(capsys)


def test_run_derives_on_the_fly_and_reports(
    stubs: Stubs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    names = ("piqa", "winogrande", "gpqa_main_zeroshot", "nq_open")
    data = [f"--data={name}={stubs(name)}" for name in names]
    command = ["run", "--model", "oodrop-oracle", "--tasks", ",".join(names), *data]
    assert oodrop([*command, "--num-fewshot", "0", "-o", str(out)]) == 0
    report = json.loads((out / "report/report.json").read_text())
    assert {task["task"] for task in report["tasks"]} == set(names)
    for task in report["tasks"]:
        assert {drop["estimate"] for drop in task["analysis"]["drops"]} == {0.0}
        assert {a["estimate"] for a in task["analysis"]["accuracies"]} == {1.0}
    capsys.readouterr()
    assert oodrop(["verify", str(out)]) == 0
    assert oodrop(["run", "--model", "oodrop-oracle", "--tasks", "wikitext", *data]) == 2
    assert "wikitext" in said(capsys)


def test_a_finished_run_is_not_reused_for_other_data(
    stubs: Stubs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (stubs("piqa") / "validation.jsonl").read_text().splitlines(keepends=True)
    command = ["run", "--model", "oodrop-oracle", "--tasks", "piqa", "--suite", "smoke-1.0"]
    command += ["-o", str(tmp_path / "runs"), "--data"]
    for name, rows in (("one", lines), ("other", lines[1:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(rows))
    assert oodrop([*command, f"piqa={tmp_path / 'one.jsonl'}"]) == 0
    capsys.readouterr()
    assert oodrop([*command, f"piqa={tmp_path / 'one.jsonl'}"]) == 0
    assert "is there already" in said(capsys)
    for known in (registry._DERIVED, bases._FETCHED, perturbed._ITEMS, perturbed._DOCS):
        known.clear()  # as in a process of its own
    assert oodrop([*command, f"piqa={tmp_path / 'other.jsonl'}"]) == 2
    assert "holds an evaluation with another data" in said(capsys)


def test_a_configuration_names_local_copies_beside_itself(stubs: Stubs, tmp_path: Path) -> None:
    (tmp_path / "piqa.jsonl").write_text((stubs("piqa") / "validation.jsonl").read_text())
    (tmp_path / "run.yaml").write_text(
        yaml.safe_dump(
            {
                "suite": "smoke-1.0",
                "tasks": ["piqa"],
                "data": {"piqa": "piqa.jsonl"},
                "checkpoints": [{"name": "oracle", "model": "oodrop-oracle"}],
            }
        )
    )
    assert oodrop(["run", str(tmp_path / "run.yaml"), "-o", str(tmp_path / "out")]) == 0


def test_run_refuses_prompts_that_differ_elsewhere(
    stubs: Stubs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    to_doc = Documents.to_doc

    def spoilt(self: Documents, doc: dict[str, object], item: object) -> dict[str, object]:
        changed = to_doc(self, doc, item)  # type: ignore[arg-type]
        if changed["goal"] != doc["goal"]:
            changed["goal"] = f"{changed['goal']} Really."
        return changed

    monkeypatch.setattr(Documents, "to_doc", spoilt)
    command = ["run", "--model", "oodrop-oracle", "--tasks", "piqa"]
    data = ["--data", f"piqa={stubs('piqa')}", "-o", str(tmp_path / "runs")]
    assert oodrop([*command, *data]) == 2
    assert "the prompt audit found" in said(capsys)
    assert not list(tmp_path.rglob("results_*.json"))
