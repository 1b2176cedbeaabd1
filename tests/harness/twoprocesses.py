"""Evaluate on CPU processes that share the documents, as lm-eval does on several GPUs.

lm-eval 0.4.13 divides the work only where it finds more than one GPU, and ``accelerate launch
--cpu`` starts one process; here a backend is told by hand what it would find out on GPUs. Called by
``torch.distributed.run -m``: model folder, output file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.tasks import tasks_dir


def main(model: str, out: Path) -> None:
    """Write log-likelihoods by document and option."""
    lm = HFPacked(pretrained=model, dtype="float32", device="cpu", batch_size=4, pack_tokens=200)
    lm.accelerator = Accelerator(cpu=True)
    lm._rank, lm._world_size = lm.accelerator.process_index, lm.accelerator.num_processes
    results = simple_evaluate(
        model=lm,
        tasks=["oodrop__canonical__everyday"],
        task_manager=TaskManager(include_path=str(tasks_dir()), include_defaults=False),
        limit=15,
        bootstrap_iters=0,
    )
    assert lm.fallback == ""
    counts = lm.accelerator.gather(torch.tensor([lm.computed])).tolist()
    if results is not None:
        (rows,) = results["samples"].values()
        found = {row["doc_id"]: [float(r[0][0]) for r in row["resps"]] for row in rows}
        out.write_text(json.dumps({"computed": counts, "answers": found}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
