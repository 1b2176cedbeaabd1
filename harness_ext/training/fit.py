"""The training loop: resumable, the same on every machine for the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional

from oodrop.harness_ext.training.tokens import Row

Rows = Callable[[int], Sequence[Row]]
"""Gives `GROUP` batches of rows for a number, always the same for the same number."""
Tell = Callable[[int, float], None]
"""Is told the steps done and the last one's loss."""
STATE = "state"
GROUP = 8  # batches that are drawn together and sorted by length, to pad less
_AT_ONCE = 8  # rows in one pass: more of them no longer fit a processor's cache, and are slower
_TENSORS = "state.safetensors"


@dataclass(frozen=True)
class Schedule:
    """How long and how hard.

    Attributes:
        steps: optimiser steps in all.
        batch: rows of a step.
        rate: highest learning rate; it rises over the first 3% and falls as a cosine to a tenth.
        prompt_weight: what a token of the prompt counts in the loss; one of the reply counts 1.
        decay: weight decay of matrices.
    """

    steps: int
    batch: int
    rate: float
    prompt_weight: float = 0.0
    decay: float = 0.1

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, from 0."""
        warm = max(1, round(0.03 * self.steps))
        if step < warm:
            return self.rate * (step + 1) / warm
        done = (step - warm) / max(1, self.steps - warm)
        return self.rate * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


def fit(
    model: torch.nn.Module,
    rows: Rows,
    schedule: Schedule,
    folder: Path,
    tell: Tell,
    save_every: int = 100,
) -> None:
    """Train the parameters that require a gradient; goes on from ``folder`` where it stopped.

    Args:
        model: a causal language model; changed in place.
        rows: what to learn from, `GROUP` batches at a time.
        schedule: how long and how hard.
        folder: keeps the state between two calls.
        tell: called after every step.
        save_every: steps between two states.
    """
    device = next(model.parameters()).device
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for _, p in named if p.ndim > 1], "weight_decay": schedule.decay},
            {"params": [p for _, p in named if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=schedule.rate,
        betas=(0.9, 0.98),
    )
    model.train()
    step = _resume(named, optimiser, schedule, folder)
    while step < schedule.steps:
        batch = _batch(rows, step, schedule.batch)
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate_at(step)
        total = 0.0
        for k in range(0, len(batch), _AT_ONCE):
            loss = _loss(model, batch[k : k + _AT_ONCE], schedule.prompt_weight, device)
            share = min(_AT_ONCE, len(batch) - k) / len(batch)
            torch.autograd.backward(loss * share)
            total += loss.item() * share
        torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        tell(step, total)
        if step % save_every == 0 or step == schedule.steps:
            _save(named, optimiser, schedule, step, folder)
    model.eval()


def _batch(rows: Rows, step: int, size: int) -> Sequence[Row]:
    group, place = divmod(step, GROUP)
    drawn = sorted(rows(group), key=lambda row: len(row.ids))
    # Not from short to long: every group begins at another batch.
    place = (place * 3 + group) % GROUP
    return drawn[place * size : (place + 1) * size]


def _loss(
    model: torch.nn.Module, batch: Sequence[Row], prompt_weight: float, device: torch.device
) -> torch.Tensor:
    longest = max(len(row.ids) for row in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    weights = torch.zeros(len(batch), longest)
    for k, row in enumerate(batch):
        ids[k, : len(row.ids)] = torch.tensor(row.ids)
        weights[k, 1 : row.start] = prompt_weight
        weights[k, row.start : len(row.ids)] = 1.0
    ids, weights = ids.to(device), weights.to(device)
    # Padding stands on the right, where a causal model never looks at it.
    with torch.autocast(device.type, torch.bfloat16):
        logits = model(input_ids=ids[:, :-1]).logits
    losses = functional.cross_entropy(
        logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    flat = weights[:, 1:].flatten()
    return (losses * flat).sum() / flat.sum()


Named = Sequence[tuple[str, torch.nn.Parameter]]


def _save(
    named: Named, optimiser: torch.optim.Optimizer, schedule: Schedule, step: int, folder: Path
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {"step": torch.tensor(step)}
    for name, parameter in named:
        tensors[f"value/{name}"] = parameter.detach().cpu().contiguous()
        for key, value in optimiser.state[parameter].items():
            tensors[f"{key}/{name}"] = value.detach().cpu().contiguous()
    new = folder / f"{_TENSORS}.new"
    save_file(tensors, new, metadata=_told(schedule))
    new.replace(folder / _TENSORS)


def _resume(
    named: Named, optimiser: torch.optim.Optimizer, schedule: Schedule, folder: Path
) -> int:
    """The step to go on from; 0 where there is no state, or one of another schedule."""
    path = folder / _TENSORS
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        if file.metadata() != _told(schedule):
            return 0
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    for name, parameter in named:
        parameter.data.copy_(tensors[f"value/{name}"])
        state: dict[str, torch.Tensor] = {}
        for key in ("step", "exp_avg", "exp_avg_sq"):
            value = tensors[f"{key}/{name}"]
            state[key] = value if key == "step" else value.to(parameter.device)
        optimiser.state[parameter] = state
    return int(tensors["step"])


def _told(schedule: Schedule) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(schedule).items()}
