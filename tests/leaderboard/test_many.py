"""Two hundred bundles: one ranking, and memory that has room."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ..reports.runs import write_checkpoint
from .bundles import right, seal

pytestmark = pytest.mark.slow

COUNT = 200
ITEMS = range(400)


def test_two_hundred_bundles_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    for k in range(COUNT):
        name = f"model-{k:03d}"
        score = right(name, 0.3 + 0.6 * k / COUNT)
        run = write_checkpoint(tmp_path / "runs", name, items=ITEMS, score=score)
        seal(run, tmp_path / "bundles" / name)
    site = tmp_path / "site"
    command = [sys.executable, "-m", "oodrop.harness_ext.cli", "leaderboard"]
    subprocess.run(
        [*command, str(tmp_path / "bundles"), "-o", str(site), "--processes", "2"], check=True
    )
    data = json.loads((site / "leaderboard.json").read_text())
    (ranking,) = data["rankings"]
    assert len(ranking["rows"]) == COUNT
    assert ranking["rows"][0]["place"]["best"] == 1
    assert len(list((site / "checkpoints").iterdir())) == COUNT
    # One that ranks and two that read, as if all were as large as the largest.
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert 3 * largest < 2**30
