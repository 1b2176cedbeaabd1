"""A real run as a bundle: submitted, verified, tampered with, through the commands."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.verify import verify_raw

from ..reports.bundling import reseal
from ..reports.runs import rehash, sha256

MODELS = ("oodrop-oracle", "oodrop-bow")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two reference checkpoints on a few items."""
    folder = tmp_path_factory.mktemp("runs")
    for model in MODELS:
        command = ["run", "--model", model, "--tasks", "everyday", "--items", "16"]
        assert oodrop([*command, "-o", str(folder / "runs")]) == 0
    return folder / "runs"


@pytest.fixture(scope="module")
def sealed(runs: Path) -> Path:
    bundle = runs.parent / "oracle"
    command = ["submit", str(runs / "oodrop-oracle"), "-o", str(bundle), "--resamples", "100"]
    assert oodrop(command) == 0
    return bundle


def samples_of(bundle: Path, slug: str) -> Path:
    (path,) = bundle.glob(f"raw/*/*/samples_oodrop__{slug}*.jsonl")
    return path


def rewrite(bundle: Path, slug: str, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change the first row of a file that can be changed, and every hash with it."""
    path = samples_of(bundle, slug)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    row = next(r for r in found if r["doc"]["oodrop"]["outcome"] == "changed")
    edit(row)
    rehash(row)
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in found))
    whole = "".join(r["doc_hash"] + r["prompt_hash"] + r["target_hash"] for r in found)
    (results,) = path.parent.glob("results_*.json")
    content = json.loads(results.read_text())
    task = path.name.removeprefix("samples_").rpartition("_")[0]
    content["task_hashes"][task] = sha256(whole)
    results.write_text(json.dumps(content))


def derive_again(bundle: Path) -> None:
    """All that follows from the raw rows, as someone writes it who knows how."""
    from oodrop.reports.bundle.derived import derive
    from oodrop.reports.bundle.manifest import read_manifest

    settings = read_manifest(bundle).settings
    for name in ("report", "evaleval", "huggingface"):
        shutil.rmtree(bundle / name)
    derive(bundle / "raw", settings, bundle)
    reseal(bundle)


def test_a_real_run_is_proved(sealed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert oodrop(["verify", str(sealed)]) == 0
    shown = capsys.readouterr().out
    rows = sum(path.read_bytes().count(b"\n") for path in sealed.rglob("raw/**/*.jsonl"))
    assert f"the hashes of all {rows} rows" in shown
    assert f"{rows} certificates (" in shown
    assert "not proved:\n- that a model gave the answers" in shown


def test_bundles_stand_in_for_runs(
    sealed: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(runs / "oodrop-bow")
    answers = []
    for folder in (sealed, runs / "oodrop-oracle"):
        capsys.readouterr()
        code = oodrop(["gate", str(folder), other, "--json"])
        answers.append((code, capsys.readouterr().out))
    assert answers[0] == answers[1]
    assert oodrop(["compare", str(sealed), other, "--json"]) == 0
    command = ["report", str(sealed), "-o", str(tmp_path / "report"), "--resamples", "100"]
    assert oodrop(command) == 0
    assert (tmp_path / "report/report.html").exists()


def test_nothing_of_this_machine_is_in_it(sealed: Path, runs: Path) -> None:
    hidden = [str(runs.parent), str(Path.home()) + "/", str(Path(__file__).resolve().parents[2])]
    for path in sealed.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for text in hidden:
            assert text.encode() not in data, (path, text)


def test_an_edit_with_all_hashes_renewed_fails_its_certificate(
    sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(shutil.copytree(sealed, tmp_path / "bundle"))
    rewrite(bundle, "lexical_keyboard", lambda r: r["doc"].update(question="Is this one easier?"))
    derive_again(bundle)
    assert oodrop(["verify", str(bundle)]) == 2
    assert "samples do not prove themselves" in " ".join(capsys.readouterr().err.split())


def test_a_bundle_without_its_manifest_is_no_run_folder(
    sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(shutil.copytree(sealed, tmp_path / "bundle"))
    (bundle / "manifest.json").unlink()
    assert oodrop(["verify", str(bundle)]) == 2
    assert "manifest.json is no plain file" in " ".join(capsys.readouterr().err.split())


def renamed(sealed: Path, tmp_path: Path, before: str, after: str) -> tuple[Path, int]:
    """The raw files of a bundle with one file of another record, and how many rows that has."""
    raw = Path(shutil.copytree(sealed / "raw", tmp_path / "raw"))
    path = samples_of(tmp_path, "ordering_fact")
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    return raw, text.count("\n")


def test_a_perturber_that_is_not_here_is_named(sealed: Path, tmp_path: Path) -> None:
    raw, _ = renamed(sealed, tmp_path, '"perturber_version": "1.0"', '"perturber_version": "0.9"')
    found, unproved = verify_raw(raw)
    assert found.counts.total() == verify_raw(sealed / "raw")[0].counts.total()
    (told,) = unproved
    assert told.startswith("that ordering.fact_order 0.9 makes these edits: it is not installed")


@pytest.mark.slow  # lm-eval's index of tasks is read: 14,000 files
def test_a_task_that_is_not_here_is_named(sealed: Path, tmp_path: Path) -> None:
    raw, count = renamed(sealed, tmp_path, '"task": "everyday"', '"task": "everynight"')
    found, unproved = verify_raw(raw)
    assert found.counts.total() == verify_raw(sealed / "raw")[0].counts.total() - count
    (told,) = unproved
    assert told.startswith("the certificates of task 'everynight': unknown task")


def test_without_lm_eval_the_rest_is_proved(
    sealed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "oodrop.harness_ext.verify", raising=False)
    monkeypatch.setitem(sys.modules, "oodrop.harness_ext.derive.registry", None)
    assert oodrop(["verify", str(sealed)]) == 0
    shown = capsys.readouterr().out
    assert "follows from them; no certificate" in shown
    assert "- certificates, which need" in shown


def test_what_was_written_is_told(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["submit", str(runs / "oodrop-bow"), "-o", str(tmp_path / "b"), "--resamples", "100"]
    assert oodrop([*command, "--model-id", "ada/bow", "--organization", "Ada's lab"]) == 0
    shown = capsys.readouterr().out
    assert "hidden in settings: secrets 0" in shown
    (record,) = (tmp_path / "b/evaleval/data/oodrop/ada/bow").glob("*.json")
    source = json.loads(record.read_text())["source_metadata"]
    assert source["source_organization_name"] == "Ada's lab"
    digest = hashlib.sha256(record.read_bytes()).hexdigest()
    assert digest in (tmp_path / "b/manifest.json").read_text()
    assert oodrop(command) == 2
    assert "is there already and not empty" in " ".join(capsys.readouterr().err.split())
