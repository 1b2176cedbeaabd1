"""What a killed run leaves, and that it ends up the same: real kills, full disks, little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


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
    assert len(there) > count / 4  # they were killed at different places
