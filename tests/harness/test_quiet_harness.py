"""What lm-eval would put on the terminal while a run has its own lines there, and what it logs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from lm_eval import evaluator

from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.runner.evaluation import quiet_harness


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, outside of every repository, wherever the temporary folder is."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def repository(folder: Path) -> str:
    """Make one with a commit, and return what git calls it."""
    who = ("-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false")
    for command in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return subprocess.check_output(["git", "describe", "--always"], cwd=folder, text=True).strip()


def commits() -> tuple[str | None, str | None]:
    """What lm-eval logs by itself, and inside."""
    by_itself = evaluator.get_git_commit_hash()
    with quiet_harness():
        inside = evaluator.get_git_commit_hash()
    return by_itself, inside


@pytest.mark.parametrize("language", ["C", "de_DE.UTF-8"])
def test_a_run_outside_of_a_repository_says_nothing_of_git(
    outside: Path,
    language: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    command = ["run", "--model", "oodrop-oracle", "--items", "5", "--quiet", "-o", "out"]
    assert oodrop(command) == 0
    assert capfd.readouterr().err == ""
    logged = [json.loads(path.read_bytes()) for path in outside.rglob("results_*.json")]
    assert [results["git_hash"] for results in logged] == [None, None]


def test_lm_eval_says_it_by_itself(outside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Else there is nothing to silence any more."""
    assert commits() == (None, None)
    assert capfd.readouterr().err.count("fatal: not a git repository") == 1


def test_the_commit_of_a_repository_is_logged(outside: Path) -> None:
    name = repository(outside)
    assert commits() == (name, name)


def test_a_link_to_a_repository_that_is_gone(
    outside: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Git says the same of it, and lm-eval looks into the folder by itself."""
    (outside / "gone").mkdir()
    (outside / "gone" / "HEAD").write_text("ref: first\n")
    (outside / "gone" / "first").write_text("abc\n")
    (outside / ".git").write_text("gitdir: gone\n")
    assert commits() == ("abc", "abc")
    assert capfd.readouterr().err.count("fatal: not a git repository") == 1


def test_whatever_else_git_says_is_shown(outside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    repository(outside)
    (outside / ".git" / "config").write_text("[core\n")
    by_itself, inside = commits()
    assert by_itself == inside
    assert capfd.readouterr().err.count("fatal: bad config line 1") == 2


def test_without_git_nothing_is_said(
    outside: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert commits() == (None, None)
    assert capfd.readouterr().err == ""
