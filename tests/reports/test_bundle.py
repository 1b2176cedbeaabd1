"""Bundles: what is in them, and the same bytes each time."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from oodrop import DataError, OodropError
from oodrop.reports.build import build_report
from oodrop.reports.bundle.manifest import names_in
from oodrop.reports.bundle.verify import is_bundle, verify_bundle
from oodrop.reports.compare import compare
from oodrop.reports.gatepolicy import Policy
from oodrop.reports.gating import run_gate

from .bundling import SECRET, everywhere, submit
from .runs import (
    CANONICAL,
    MAIN,
    ORDER,
    RERUN,
    TYPO,
    Kind,
    edit_line,
    results_file,
    rows,
    samples_file,
    tasks_of,
    write_checkpoint,
    write_run,
)

# --- content -------------------------------------------------------------------------------------


def test_a_bundle_holds_and_says_what_it_cannot_prove(sealed: Path) -> None:
    found = verify_bundle(sealed)
    assert found.manifest.checkpoint == "alpha"
    assert found.manifest.settings.model_id == "org/alpha"
    assert found.rows == 60
    assert found.not_proved == found.manifest.not_proved
    assert "that a model gave the answers" in found.not_proved[0]
    assert is_bundle(sealed)


def test_what_is_in_it(sealed: Path) -> None:
    names = names_in(sealed)
    assert {name.split("/")[0] for name in names} == {
        "manifest.json", "environment.json", "robustness.csv", "raw", "report", "evaleval",
        "huggingface",
    }  # fmt: skip
    assert sum(Path(name).match("results_*.json") for name in names) == 2
    assert [n for n in names if Path(n).match("results_*.json") and not n.startswith("raw/")] == []
    assert "raw/oodrop_checkpoint.json" in names
    environment = json.loads((sealed / "environment.json").read_text())
    assert environment == {"lm_eval": ["0.4.13"], "transformers": ["5.23.0"]}


def test_rows_stay_byte_for_byte(alpha: Path, tmp_path: Path) -> None:
    bundle = submit(alpha, tmp_path / "bundle")
    for path in alpha.rglob("samples_*.jsonl"):
        (copy,) = bundle.glob(f"raw/**/{path.name}")
        assert copy.read_bytes() == path.read_bytes()


def test_every_reader_takes_a_bundle_for_a_run(sealed: Path, alpha: Path, tmp_path: Path) -> None:
    own, theirs = (build_report([f], resamples=50) for f in (alpha, sealed))
    assert own == theirs
    beta = write_checkpoint(tmp_path, "beta")
    assert run_gate(sealed, beta, Policy()) == run_gate(alpha, beta, Policy())
    assert {c.name for c in build_report([sealed, beta], resamples=50).checkpoints} == {
        "alpha",
        "beta",
    }
    assert compare([sealed, beta]).a == "alpha"


def test_robustness_has_a_row_per_variant(sealed: Path) -> None:
    with (sealed / "robustness.csv").open() as lines:
        found = {row["variant"]: row for row in csv.DictReader(lines)}
    assert set(found) == {kind.slug for kind in (*MAIN[1:], RERUN)}
    typo = found[TYPO.slug]
    assert (typo["severity"], typo["evidence"], typo["changed_items"]) == ("3", "checked", "9")
    right = [k for k in range(12) if k not in (3, 7, 11)]
    before = 100 * sum(k % 3 != 0 for k in right) / 9
    after = 100 * sum(k % 2 == 0 for k in right) / 9
    assert float(typo["canonical_accuracy_percent"]) == pytest.approx(before, abs=1e-4)
    assert float(typo["variant_accuracy_percent"]) == pytest.approx(after, abs=1e-4)
    assert float(typo["drop_points"]) == pytest.approx(before - after, abs=1e-4)
    order = found[ORDER.slug]
    assert (order["lost"], order["gained"], order["severity"]) == ("3", "0", "")


def test_robustness_pools_no_tasks(tmp_path: Path) -> None:
    def group(results: dict[str, Any]) -> None:
        for config in results["configs"].values():
            config["metadata"]["oodrop"]["groups"] = {"home": 2}

    tasks = {**tasks_of(*MAIN, task="kitchen"), **tasks_of(*MAIN, task="garden")}
    write_run(tmp_path / "run", tasks, edit=group)
    bundle = submit(tmp_path / "run", tmp_path / "bundle")
    assert "home" in {task.task for task in build_report([bundle], resamples=50).tasks}
    with (bundle / "robustness.csv").open() as lines:
        found = [row["task"] for row in csv.DictReader(lines)]
    assert found == ["kitchen"] * 3 + ["garden"] * 3
    assert len(list(bundle.glob("evaleval/data/*/*/*/*_samples.jsonl"))) == 2
    verify_bundle(bundle)


def test_a_formula_among_the_names_is_no_formula(tmp_path: Path) -> None:
    evil = Kind("lexical_x", "=cmd|' /C calc'!A1", "lexical", 1)
    run = write_checkpoint(tmp_path, "alpha", kinds=(CANONICAL, evil), rerun=False)
    text = (submit(run, tmp_path / "bundle") / "robustness.csv").read_text()
    assert ",'=cmd" in text
    assert ",=cmd" not in text


def test_metadata_of_the_hub(sealed: Path) -> None:
    from huggingface_hub import EvalResultEntry
    from huggingface_hub.repocard_data import model_index_to_eval_results

    written = yaml.safe_load((sealed / "huggingface/.eval_results/oodrop.yaml").read_text())
    typo = next(e for e in written if e["dataset"]["task_id"] == TYPO.slug)
    assert EvalResultEntry(typo["dataset"]["id"], TYPO.slug, typo["value"])
    assert typo["dataset"]["id"] == "oodrop/everyday"
    index = yaml.safe_load((sealed / "huggingface/model-index.yaml").read_text())
    name, results = model_index_to_eval_results(index["model-index"])
    assert name == "alpha"
    drops = {r.dataset_config: r.metric_value for r in results if r.metric_type != "accuracy"}
    report = build_report([sealed], resamples=50)
    for drop in report.tasks[0].analysis.drops:
        if drop.kind == "variant":
            assert drops[drop.name] == pytest.approx(drop.estimate, abs=1e-6)


def test_without_huggingface_hub_a_sentence_says_what_to_install(
    sealed: Path, alpha: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(OodropError, match="pip install 'huggingface_hub"):
        submit(alpha, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    monkeypatch.setattr("oodrop.reports.bundle.verify.find_spec", lambda name: None)
    assert any("huggingface_hub" in text for text in verify_bundle(sealed).not_proved)


# --- the same bytes ------------------------------------------------------------------------------

AGAIN = """
import sys
from pathlib import Path
from oodrop.reports.bundle.write import write_bundle
write_bundle(Path(sys.argv[1]), Path(sys.argv[2]), resamples=100)
"""


@pytest.mark.parametrize("seed", ["1", "77"])
def test_the_same_run_gives_the_same_bytes(sealed: Path, tmp_path: Path, seed: str) -> None:
    run = sealed.parent / "alpha"
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    settings = {"PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo", "HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", AGAIN, str(run), str(tmp_path / "bundle")],
        env={**os.environ, **settings, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=elsewhere,
        check=True,
    )
    assert names_in(tmp_path / "bundle") == names_in(sealed)
    for name in names_in(sealed):
        assert (tmp_path / "bundle" / name).read_bytes() == (sealed / name).read_bytes(), name


# --- what goes wrong -----------------------------------------------------------------------------


def test_links_are_not_followed(alpha: Path, tmp_path: Path) -> None:
    path = samples_file(alpha, TYPO)
    path.rename(tmp_path / "rows")
    path.symlink_to(tmp_path / "rows")
    with pytest.raises(DataError, match="is a symbolic link"):
        submit(alpha, tmp_path / "bundle")
    path.unlink()
    (tmp_path / "rows").rename(path)
    results = results_file(alpha)
    results.rename(tmp_path / "results.json")
    results.symlink_to(tmp_path / "results.json")
    with pytest.raises(DataError, match="is a symbolic link"):
        submit(alpha, tmp_path / "bundle")


def test_a_bundle_takes_a_place_of_its_own(alpha: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, match in (
        ("full", "is there already and not empty"),
        ("file", "is no folder"),
        ("link", "is no folder"),
        ("alpha/bundle", "which is to be bundled"),
    ):
        with pytest.raises(DataError, match=match):
            submit(alpha, tmp_path / name)
    (tmp_path / "empty").mkdir()
    verify_bundle(submit(alpha, tmp_path / "empty"))
    write_checkpoint(tmp_path, "beta")
    with pytest.raises(DataError, match="must be one checkpoint, and .* holds 2"):
        submit(tmp_path, tmp_path.parent / "both")
    with pytest.raises(DataError, match="does not exist"):
        submit(tmp_path / "nowhere", tmp_path / "bundle")
    with pytest.raises(DataError, match="developer/model"):
        submit(alpha, tmp_path / "bundle", model_id="../x")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_damaged_run_is_no_submission(alpha: Path, tmp_path: Path) -> None:
    edit_line(samples_file(alpha, TYPO), 2, lambda row: row["doc"].update(question="Other?"))
    with pytest.raises(DataError, match="'doc_hash' is not the hash"):
        submit(alpha, tmp_path / "bundle")


def test_a_score_that_does_not_follow_is_no_submission(alpha: Path, tmp_path: Path) -> None:
    edit_line(samples_file(alpha, TYPO), 2, lambda row: row.update(acc=1.0))
    with pytest.raises(DataError, match="alpha/main/.*line 2: the score"):
        submit(alpha, tmp_path / "bundle")


def test_what_is_no_output_stays_behind(alpha: Path, tmp_path: Path) -> None:
    for name in ("journal-1.sqlite", "run.log", ".oodrop.lock", "main/oodrop_stage.json"):
        (alpha / name).write_text(SECRET)
    (alpha / "main.partial").mkdir()
    (alpha / "main.partial/results_x.json").write_text(SECRET)
    for name, data in everywhere(submit(alpha, tmp_path / "bundle")):
        assert SECRET.encode() not in data, name


def test_scores_that_were_taken_as_logged_are_named(tmp_path: Path) -> None:
    run = write_checkpoint(tmp_path, "alpha", generate=True, rerun=False)
    (told,) = [t for t in verify_bundle(submit(run, tmp_path / "b")).not_proved if "logged" in t]
    assert "everyday (acc)" in told


def test_results_of_other_tasks_are_named(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {**tasks_of(*MAIN), "piqa": rows(CANONICAL, task="piqa")})
    found = verify_bundle(submit(tmp_path / "run", tmp_path / "bundle"))
    assert any("whose samples are not here: piqa" in text for text in found.not_proved)
    assert not any("piqa" in name for name in names_in(tmp_path / "bundle"))
