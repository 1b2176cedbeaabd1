"""Kills evaluations at random moments: ``python -m tests.harness.killing MODEL TYPE FORM N OUT``.

A process that has imported everything forks: the child evaluates, the parent kills it with SIGKILL
at a moment drawn from the time that an undisturbed run takes; every second time from that in which
the model answers, and the run is killed once more as it continues. Then a child is left to finish.
Prints one JSON object per moment: seconds, what was there when it was killed, and digests of the
samples, which the caller compares.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path

import torch

from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.plan import RunPlan
from oodrop.harness_ext.runner.run import run
from oodrop.perturbers import get_suite

FORMS = {
    "choice": ("everyday", {}, 30),
    "greedy": ("everyday_open", {"max_gen_toks": 12}, 24),
    "sampled": ("everyday_open", {"max_gen_toks": 12, "do_sample": True, "temperature": 1.0}, 16),
}
# Many units, so that there are many places to be killed at.
SMALL_UNITS = {"hf-packed": {"pack_tokens": 64}}


class Watch:
    """Keeps when the first answer and the last one came, in seconds since the start, in a file."""

    def __init__(self, path: Path) -> None:
        self._path, self._start = path, time.monotonic()
        self._first = 0.0

    def message(self, text: str) -> None:
        """Nothing."""

    def progress(self, there: int, needed: int) -> None:
        """Later ones take the place of earlier ones."""
        now = time.monotonic() - self._start
        self._first = self._first or now
        self._path.write_text(json.dumps([self._first, now]), encoding="utf-8")


def plan(model: str, kind: str, form: str) -> RunPlan:
    """One checkpoint on one task under the small suite."""
    task, generation, items = FORMS[form]
    spec = CheckpointSpec(
        name="tiny",
        model=kind,
        model_args={"pretrained": model, "dtype": "float32", **SMALL_UNITS.get(kind, {})},
        device="cpu",
        batch_size=4,
        items=items,
        gen_kwargs=generation,
    )
    return RunPlan((spec,), (task,), get_suite("smoke-1.0"))


def started(plan: RunPlan, folder: Path) -> int:
    """A child that evaluates; its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        run(plan, folder, Watch(folder.with_suffix(".times")))
        code = 0
    finally:
        os._exit(code)


def finished(plan: RunPlan, folder: Path) -> None:
    """Evaluate in a child of its own until it ends by itself."""
    _, status = os.waitpid(started(plan, folder), 0)
    if status:
        raise SystemExit(f"the evaluation in {folder} ended with status {status}")


def killed(plan: RunPlan, folder: Path, seconds: float) -> dict[str, object]:
    """Evaluate and kill after so many seconds; what is there then."""
    child = started(plan, folder)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    there = 0
    for path in folder.glob("tiny/journal-*.sqlite"):
        try:
            there = sqlite3.connect(path).execute("SELECT count(*) FROM answers").fetchone()[0]
        except sqlite3.OperationalError:  # killed before there was a table
            there = 0
    stages = sorted(p.name for p in folder.glob("tiny/*") if p.is_dir())
    return {"seconds": round(seconds, 3), "answers": there, "stages": stages}


def digests(folder: Path) -> dict[str, str]:
    """Hash of every file of samples, by stage and task."""
    found = {}
    for path in sorted(folder.rglob("samples_*.jsonl")):
        name = f"{path.relative_to(folder).parts[1]}/{path.name.rpartition('_')[0]}"
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def main(model: str, kind: str, form: str, moments: int, out: Path) -> None:
    """See above."""
    torch.set_num_threads(1)
    wanted = plan(model, kind, form)
    finished(wanted, out / "warm")  # files are in the system's cache from now on
    begin = time.monotonic()
    finished(wanted, out / "whole")
    whole = time.monotonic() - begin
    sys.stdout.write(json.dumps({"seconds": whole, "samples": digests(out / "whole")}) + "\n")
    sys.stdout.flush()
    answering = json.loads((out / "whole.times").read_text("utf-8"))
    rng = random.Random(f"{kind} {form}")
    for moment in range(moments):
        folder = out / f"killed{moment}"
        told = [killed(wanted, folder, rng.uniform(*(answering if moment % 2 else (0.0, whole))))]
        if moment % 2:
            told.append(killed(wanted, folder, rng.uniform(*answering)))
        finished(wanted, folder)
        sys.stdout.write(json.dumps({"killed": told, "samples": digests(folder)}) + "\n")
        sys.stdout.flush()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
