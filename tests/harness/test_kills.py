"""What a killed run leaves, and that it ends up the same: real kills, full disks, little memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.runner.journal import Journal
from oodrop.harness_ext.runner.lock import locked


def moments(model: Path, kind: str, form: str, count: int, out: Path) -> list[dict[str, Any]]:
    """What `killing` tells of an undisturbed run and of each that was killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.harness.killing", model, kind, form, str(count), out],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.split("\n") if line.startswith("{")]


@pytest.mark.parametrize(
    ("kind", "form", "count"),
    [
        ("hf", "choice", 2),
        pytest.param("hf", "choice", 20, marks=pytest.mark.slow),
        pytest.param("hf", "greedy", 20, marks=pytest.mark.slow),
        pytest.param("hf", "sampled", 20, marks=pytest.mark.slow),
        pytest.param("hf-packed", "choice", 20, marks=pytest.mark.slow),
        pytest.param("hf-packed", "greedy", 20, marks=pytest.mark.slow),
        pytest.param("hf-packed", "sampled", 20, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_killed_at_any_moment_ends_up_the_same_byte_for_byte(
    kind: str, form: str, count: int, tiny_model: Path, tmp_path: Path
) -> None:
    whole, *killed = moments(tiny_model, kind, form, count, tmp_path)
    assert len(whole["samples"]) == 9
    assert len(killed) == count
    for told in killed:
        assert told["samples"] == whole["samples"], told["killed"]
    there = {one["answers"] for told in killed for one in told["killed"]}
    assert len(there) > count / 5  # they were killed at different places; sampling has few units


def test_a_full_disk_stops_the_run_and_what_was_there_is_kept(
    tiny_model: Path, tmp_path: Path
) -> None:
    command = [
        "run", "--model", "hf", "--name", "tiny", "--quiet", "--batch_size", "1",
        "--model_args", f"pretrained={tiny_model},dtype=float32", "--tasks", "everyday",
        "--device", "cpu", "--items", "20", "-o", str(tmp_path / "out"),
    ]  # fmt: skip

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    done = subprocess.run(
        [sys.executable, "-m", "oodrop.harness_ext.cli", *command],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=little_room,  # no threads are there yet
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    said = " ".join(done.stderr.split())
    assert done.returncode == 5, said
    assert "could not be written to the journal" in said
    assert "those before them are kept, and the same command continues after them" in said
    (database,) = (tmp_path / "out" / "tiny").glob("journal-*.sqlite")
    with closing(Journal(database)) as journal:
        there = journal._db.execute("SELECT count(*) FROM answers").fetchone()[0]
    assert there > 0
    assert oodrop(command) == 0
    assert len(list((tmp_path / "out" / "tiny" / "main").rglob("samples_*.jsonl"))) == 8


def test_two_runs_on_one_folder_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "--model", "oodrop-oracle", "--items", "5", "-o", str(tmp_path)]
    with locked(tmp_path):
        assert oodrop(command) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"another oodrop run is at work in {tmp_path} (it holds .oodrop.lock); wait" in said
    assert not (tmp_path / "oodrop-oracle").exists()
    assert oodrop(command) == 0


def test_several_processes_are_told_what_to_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert oodrop(["run", "--model", "oodrop-oracle", "-o", str(tmp_path / "out")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "oodrop run works in one process, got WORLD_SIZE=2; for data-parallel" in said
