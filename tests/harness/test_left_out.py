"""A plugin that fails takes its own variants out of a run: told, recorded, and in the report."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from oodrop import OodropError, RunError, UnknownNameError
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.leftout import suite_of_what_is_there
from oodrop.perturbers import registry

SUITE = """summary: one of ours and one of theirs
seed: 2026
variants:
- {perturber: ordering.fact_order}
- {perturber: phrasing.theirs, severity: 2}
"""
BROKEN = "raise ImportError('[no] such library')\n"
REASON = "failed to load: ImportError: [no] such library"

pytestmark = pytest.mark.usefixtures("own_registry")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "mixed-1.0.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.py"
    path.write_text(BROKEN)
    return path


def words(text: str) -> str:
    return " ".join(text.split())


def arguments(suite: Path, out: Path) -> list[str]:
    run = ["run", "--model", "oodrop-majority", "--tasks", "everyday", "--items", "20"]
    return [*run, "--name", "guess", "--suite", str(suite), "-o", str(out)]


def check_run(out: Path, err: str, reason: str) -> None:
    """The run went on without the variant, and says so wherever it should."""
    assert words(err).count(f"left out: phrasing_theirs_s2: {reason}") == 2
    tasks = {path.name.split("__")[1] for path in out.glob("**/tasks/oodrop__*.yaml")}
    assert tasks == {"canonical", "ordering_fact_order"}
    record = json.loads((out / "guess" / "oodrop_checkpoint.json").read_text("utf-8"))
    assert record["left_out"] == {"phrasing_theirs_s2": reason}
    report = json.loads((out / "report" / "report.json").read_text("utf-8"))
    (note,) = (n for n in report["notes"] if "phrasing_theirs_s2" in n)
    assert note.startswith(
        "phrasing_theirs_s2 was left out when guess ran: there is no perturber 'phrasing.theirs'; "
    )
    assert note.endswith(REASON)
    assert str(out.parent) not in note


def test_a_file_that_cannot_be_loaded(
    suite: Path, plugin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [*arguments(suite, tmp_path / "out"), "--plugin", str(plugin)]
    assert oodrop(run) == 5
    assert REASON in words(capsys.readouterr().err)
    assert oodrop([*run, "--on-plugin-error", "skip"]) == 0
    reason = f"there is no perturber 'phrasing.theirs'; plugin {plugin} {REASON}"
    check_run(tmp_path / "out", capsys.readouterr().err, reason)


def test_a_package_that_cannot_be_loaded(
    suite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def load() -> None:
        raise ImportError("[no] such library")

    point = SimpleNamespace(name="acme", value="acme_plugin", load=load)
    monkeypatch.setattr(registry, "_loaded", False)
    monkeypatch.setattr(registry, "_FAILED", {})
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    config = tmp_path / "run.yaml"
    config.write_text(
        f"suite: {suite}\ntasks: [everyday]\n"
        "checkpoints: [{name: guess, model: oodrop-majority, items: 20}]\n"
    )
    run = ["run", str(config), "-o", str(tmp_path / "out")]
    assert oodrop(run) == 5
    assert REASON in words(capsys.readouterr().err)
    assert oodrop([*run, "--on-plugin-error", "skip"]) == 0
    reason = f"there is no perturber 'phrasing.theirs'; entry point 'acme' (acme_plugin) {REASON}"
    check_run(tmp_path / "out", capsys.readouterr().err, reason)


def test_an_unknown_perturber_without_a_failed_plugin_is_a_mistake(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [*arguments(suite, tmp_path / "out"), "--on-plugin-error", "skip"]
    assert oodrop(run) == 2
    assert "unknown perturber 'phrasing.theirs'" in words(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_other_mistakes_of_a_suite_stay_errors(suite: Path) -> None:
    failed = {"plugin theirs.py": f"plugin theirs.py {REASON}"}
    with pytest.raises(UnknownNameError, match="unknown suite 'smoke-9'"):
        suite_of_what_is_there("smoke-9", failed)
    suite.write_text(SUITE + "- {perturber: ordering.fact_order, severity: 3}\n")
    with pytest.raises(OodropError, match=r"ordering\.fact_order has no severities"):
        suite_of_what_is_there(str(suite), failed)
    suite.write_text(SUITE.replace("- {perturber: ordering.fact_order}\n", ""))
    with pytest.raises(RunError, match=r"no variant of the suite mixed-1\.0 is left: there is no"):
        suite_of_what_is_there(str(suite), failed)


def test_the_suite_that_is_left_is_the_suite(suite: Path) -> None:
    left, left_out = suite_of_what_is_there(str(suite), {"plugin theirs.py": "it failed"})
    assert (left.name, left.summary) == ("mixed-1.0", "one of ours and one of theirs")
    assert [(v.slug, v.seed) for v in left.variants] == [("ordering_fact_order", 2026)]
    assert left_out == {"phrasing_theirs_s2": "there is no perturber 'phrasing.theirs'; it failed"}
