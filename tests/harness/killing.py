"""Kills evaluations at random moments: ``python -m tests.harness.killing MODEL TYPE FORM N OUT``.

A process that has imported everything forks: the child evaluates, the parent kills it with SIGKILL
at a moment drawn from the time that an undisturbed run takes; every second time near one at which
an answer came, and the run is killed once more as it continues. Then a child is left to finish.
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
    "sampled": ("everyday_open", {"max_gen_toks": 12, "do_sample": True, "temperature": 1.0}, 60),
}
# Many units, so that there are many places to be killed at.
SMALL_UNITS = {"hf-packed": {"pack_tokens": 64}}


class Watch:
    """Remembers when answers came, in seconds since the start."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._start = time.monotonic()

    def message(self, text: str) -> None:
        """Nothing."""

    def progress(self, there: int, needed: int) -> None:
        """Some are there, others not."""
        if 0 < there < needed:
            self.times.append(time.monotonic() - self._start)


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
        watch = Watch()
        run(plan, folder, watch)
        folder.with_suffix(".times").write_text(json.dumps(watch.times), encoding="utf-8")
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
    answers = json.loads((out / "whole.times").read_text("utf-8"))
    rng = random.Random(f"{kind} {form}")
    for moment in range(moments):
        folder = out / f"killed{moment}"
        if moment % 2:
            # Starting takes longer now and shorter then.
            drawn = [rng.choice(answers) + rng.uniform(-0.2, 0.2) for _ in range(2)]
        else:
            drawn = [rng.uniform(0.0, whole)]
        told = [killed(wanted, folder, max(seconds, 0.0)) for seconds in drawn]
        finished(wanted, folder)
        sys.stdout.write(json.dumps({"killed": told, "samples": digests(folder)}) + "\n")
        sys.stdout.flush()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
