"""oodrop bank make, review and show, as a person meets them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from oodrop.harness_ext.bank.maker import Recipe
from oodrop.harness_ext.cli.app import run
from oodrop.perturbers.banks import PARAPHRASE, read_bank

from .conftest import make


@pytest.mark.parametrize("command", ["make", "review", "show"])
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bank", command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Example: oodrop bank {command}" in " ".join(shown.split())


def test_make_and_show(
    chat_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "mine.jsonl")
    given = ["--model", str(chat_model), "-n", "3", "--max-new-tokens", "24", "-o", path]
    assert run(["bank", "make", "everyday", "-p", PARAPHRASE, *given]) == 0
    assert run(["bank", "show", path, "-n", "1"]) == 0
    shown = capsys.readouterr().out
    assert "3 texts; 0 in use; 3 x the rewording was not reviewed" in shown
    assert f"mine, for {PARAPHRASE}" in shown
    assert shown.count("rewording ") >= 1
    assert run(["bank", "show", str(tmp_path / "none.jsonl")]) == 2


@pytest.mark.parametrize(
    ("ratings", "said"),
    [
        ("sha256,kept\n", "line 1: the columns are sha256, kept, readable; no 'readable'"),
        ("", "line 1: the columns are"),
        ("sha256,kept,readable\nabc,y,y\n", "line 2: 'sha256' must be that of a reworded text"),
        (
            "sha256,kept,readable\nSHA,y,y\nSHA,maybe,y\n",
            "line 3: 'kept' must be y or n, got 'maybe'",
        ),
        ("sha256,kept,readable\nSHA,y\n", "line 2: 'readable' must be y or n, got ''"),
    ],
)
def test_wrong_ratings_change_nothing(
    ratings: str,
    said: str,
    paraphrase: Recipe,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, file = tmp_path / "mine.jsonl", tmp_path / "ratings.csv"
    (entry,) = make(paraphrase, path, 1).entries.values()
    content = path.read_bytes()
    file.write_text(ratings.replace("SHA", entry.sha256), encoding="utf-8")
    assert run(["bank", "review", str(path), "--from", str(file)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert path.read_bytes() == content


def test_a_text_is_kept_where_every_rater_says_so(paraphrase: Recipe, tmp_path: Path) -> None:
    path, file = tmp_path / "mine.jsonl", tmp_path / "ratings.csv"
    one, two, three = make(paraphrase, path, 3).entries.values()
    rows = [(one, "n,y"), (one, "y,y"), (two, "Yes,1"), (two, "true,y")]
    lines = [f"{e.sha256},{r},anna" for e, r in rows]
    file.write_text("\n".join(["\ufeffsha256,kept,readable,rater", *lines]), encoding="utf-8")
    assert run(["bank", "review", str(path), "--from", str(file)]) == 0
    reviews = [read_bank(path).entries[e.source].review for e in (one, two, three)]
    assert [r and (r.kept, r.readable, r.raters) for r in reviews] == [
        (False, True, 2),
        (True, True, 2),
        None,
    ]
    assert {p.name for p in tmp_path.iterdir()} == {"mine.jsonl", "ratings.csv"}


def test_review_asks_in_a_terminal_and_saves_every_answer(
    paraphrase: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    make(paraphrase, path, 3)
    command = [sys.executable, "-m", "oodrop.harness_ext.cli", "bank", "review", str(path)]
    no_terminal = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert no_terminal.returncode == 2
    assert "--from takes a CSV file" in no_terminal.stderr
    ours, theirs = pty.openpty()
    os.write(ours, b"y\nn\nwhat\ny\ny\nq\n")
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "3 texts; 1 in use" in done.stdout
    reviews = [e.review for e in read_bank(path).entries.values()]
    assert [r and (r.kept, r.readable, r.raters) for r in reviews] == [
        (True, False, 1),
        (True, True, 1),
        None,
    ]
