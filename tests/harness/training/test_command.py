"""``oodrop train-reference``: what it leaves behind, what it refuses, and that it can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from oodrop.harness_ext.cli.app import run
from oodrop.harness_ext.training import adapters
from oodrop.harness_ext.training.build import BASE, NOTE
from oodrop.harness_ext.training.fit import STATE

COMMAND = ["train-reference", "--steps", "2", "--recipes", "heuristic"]


def test_the_command_trains_and_does_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "reference"
    assert run([*COMMAND, "-o", str(place)]) == 0
    shown = capsys.readouterr().out
    assert "base: 2 steps" in shown
    assert f"pretrained={place / BASE},peft={place / 'heuristic'}" in shown
    for name in (BASE, "heuristic"):
        assert (place / name / NOTE).exists()
        assert not (place / name / STATE).exists()
        page = (place / name / "README.md").read_text("utf-8")
        assert f"# oodrop reference checkpoint: {name}" in page
        assert "2 steps of" in page
        texts_there = (
            f for f in (place / name).rglob("*") if f.suffix in (".json", ".md", ".jinja")
        )
        assert not any(str(tmp_path) in f.read_text("utf-8") for f in texts_there)
    said = json.loads((place / "heuristic" / "adapter_config.json").read_text("utf-8"))
    assert said["target_modules"] == adapters._TARGETS
    weights = (place / BASE / "model.safetensors").stat().st_mtime_ns
    assert run([*COMMAND, "-o", str(place)]) == 0
    assert "heuristic: trained already" in capsys.readouterr().out
    assert (place / BASE / "model.safetensors").stat().st_mtime_ns == weights
    assert run([*COMMAND, "-o", str(place), "--seed", "1"]) == 2
    assert "with seed 0, asked for is 1" in " ".join(capsys.readouterr().err.split())
    assert run(["train-reference", "--recipes", "engage", "-o", str(place)]) == 2
    assert "unknown recipe 'engage'" in " ".join(capsys.readouterr().err.split())
    again = ["--base", str(place / BASE), "-o", str(tmp_path / "again")]
    assert run([*COMMAND, *again, "--seed", "1"]) == 0
    assert f"pretrained={place / BASE},peft={tmp_path / 'again'}" in capsys.readouterr().out
    assert not (tmp_path / "again" / BASE).exists()
    moved = ["--base", "oodrop:base", "-o", str(tmp_path / "again")]
    assert run([*COMMAND, *moved, "--seed", "1"]) == 2
    assert "holds a checkpoint with base_sha256" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "again").rglob("*.new"))
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    assert size < 12_000_000


def test_what_cannot_be_trained_is_refused_before_the_hours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        assert run([*COMMAND, *arguments]) == 2
        return " ".join(capsys.readouterr().err.split())

    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "qwen2"}', encoding="utf-8")
    (other / "model.safetensors").touch()
    place = tmp_path / "place"
    for base_folder in (other, tmp_path):
        assert "--base must be oodrop:base or the folder of a base that train-reference made" in (
            refused("--base", str(base_folder), "-o", str(place))
        )
    assert "--device tpuu cannot be used here: " in refused("--device", "tpuu", "-o", str(place))
    assert not place.exists()
    # An adapter on another base is there, and the base would be trained before it is looked at.
    assert run([*COMMAND, "--base", "oodrop:base", "-o", str(place)]) == 0
    assert "of a base that is yet to be trained" in refused("-o", str(place))
    assert not (place / BASE).exists()
    # What a killed call left belongs to its seed.
    (place / "heuristic" / NOTE).unlink()
    state = place / "heuristic" / STATE
    state.mkdir()
    left = {"name": "heuristic", "seed": "4"}
    save_file({"step": torch.tensor(1)}, state / "state.safetensors", metadata=left)
    assert "keeps the state of a training with seed 4, asked for is 0" in (
        refused("-o", str(place))
    )
    assert not (place / BASE).exists()


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "oodrop.harness_ext.cli", "train-reference", "--steps", "12",
               "--recipes", "heuristic", "--output"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, str(whole)], env=environment, check=True)
    steps: list[tuple[str, int]] = []
    for _ in range(5):
        before = state_in(killed)
        process = subprocess.Popen([*command, str(killed)], env=environment)
        while state_in(killed) == before and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (found := state_in(killed)) is not None:
            steps.append(found[:2])
    # Every call goes on where the one before was killed: the base first, then the adapter.
    assert len(steps) >= 4
    assert steps == sorted(set(steps))
    subprocess.run([*command, str(killed)], env=environment, check=True)
    for name in (f"{BASE}/model.safetensors", "heuristic/adapter_model.safetensors"):
        one, other = load_file(whole / name), load_file(killed / name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def state_in(folder: Path) -> tuple[str, int, int] | None:
    """What is trained there, the step that was kept last, and when it was."""
    for name in (BASE, "heuristic"):
        path = folder / name / STATE / "state.safetensors"
        with suppress(FileNotFoundError):  # it goes when the part is done
            return name, int(load_file(path)["step"]), path.stat().st_mtime_ns
    return None
