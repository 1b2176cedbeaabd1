"""The training loop: resumable, and the same rows in the same order for the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional

from oodrop import DataError
from oodrop.harness_ext.training.tokens import Row

Rows = Callable[[int], Sequence[Row]]
"""Gives `GROUP` batches of rows for a number, always the same for the same number."""
Tell = Callable[[int, float], None]
"""Is told the steps done and the last one's loss."""
Named = Sequence[tuple[str, torch.nn.Parameter]]
Optimisers = Sequence[torch.optim.Optimizer]
STATE = "state"
GROUP = 8  # batches that are drawn together and sorted by length, to pad less
_AT_ONCE = 8  # rows in one pass: more of them no longer fit a processor's cache, and are slower
_SAVE_EVERY = 100  # steps, in a training that has four hundred or more
_TENSORS = "state.safetensors"


@dataclass(frozen=True)
class Schedule:
    """How long and how hard.

    Attributes:
        steps: optimiser steps in all.
        batch: rows of a step.
        rate: highest learning rate; it rises over the first 3% and falls as a cosine to a tenth.
        prompt_weight: what a token of the prompt counts in the loss; one of the reply counts 1.
        last_weight: what a token of the reply's last line counts instead.
        decay: weight decay of matrices.
        muon: highest learning rate of Muon, which then moves the matrices of the layers, and AdamW
            the rest; None leaves all to AdamW.
    """

    steps: int
    batch: int
    rate: float
    prompt_weight: float = 0.0
    last_weight: float = 1.0
    decay: float = 0.1
    muon: float | None = None

    def share_at(self, step: int) -> float:
        """Share of the highest learning rate that holds for a step, from 0."""
        warm = max(1, round(0.03 * self.steps))
        if step < warm:
            return (step + 1) / warm
        done = (step - warm) / max(1, self.steps - warm)
        return 0.1 + 0.45 * (1 + math.cos(math.pi * done))


def fit(
    model: torch.nn.Module,
    rows: Rows,
    schedule: Schedule,
    folder: Path,
    tell: Tell,
    of: Mapping[str, object],
) -> None:
    """Train the parameters that require a gradient; goes on from ``folder`` where it stopped.

    Args:
        model: a causal language model; changed in place.
        rows: what to learn from, `GROUP` batches at a time.
        schedule: how long and how hard.
        folder: keeps the state between two calls.
        tell: called after every step.
        of: what is trained on what, beside the schedule.

    Raises:
        DataError: when the folder keeps the state of something else.
    """
    check_state(folder, schedule, of)
    told = _told(schedule, of)
    save_every = max(1, min(_SAVE_EVERY, schedule.steps // 4))
    device = next(model.parameters()).device
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    optimisers = _optimisers(named, schedule)
    model.train()
    step = _resume(named, optimisers, folder)
    while step < schedule.steps:
        batch = _batch(rows, step, schedule.batch)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["highest"] * schedule.share_at(step)
        total = 0.0
        for k in range(0, len(batch), _AT_ONCE):
            loss = _loss(model, batch[k : k + _AT_ONCE], schedule, device)
            share = min(_AT_ONCE, len(batch) - k) / len(batch)
            torch.autograd.backward(loss * share)
            total += loss.item() * share
        torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        step += 1
        tell(step, total)
        if step % save_every == 0 or step == schedule.steps:
            _save(named, optimisers, told, step, folder)
    model.eval()


def _optimisers(named: Named, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """One or two, whose groups say the highest learning rate and the weight decay."""
    by_muon = [p for n, p in named if schedule.muon and p.ndim == 2 and "embed" not in n]
    rest = [p for _, p in named if not any(p is other for other in by_muon)]
    found: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            [
                {
                    "params": [p for p in rest if (p.ndim > 1) == matrix],
                    "weight_decay": schedule.decay if matrix else 0.0,
                    "highest": schedule.rate,
                }
                for matrix in (True, False)
            ],
            betas=(0.9, 0.98),
        )
    ]
    if by_muon:
        group = {"params": by_muon, "weight_decay": schedule.decay, "highest": schedule.muon}
        # Scaled to the size of a step of AdamW, as in "Muon is Scalable for LLM Training" (2025).
        found.append(torch.optim.Muon([group], adjust_lr_fn="match_rms_adamw"))
    return found


def _batch(rows: Rows, step: int, size: int) -> Sequence[Row]:
    group, place = divmod(step, GROUP)
    drawn = sorted(rows(group), key=lambda row: len(row.ids))
    # Not from short to long: every group begins at another batch.
    place = (place * 3 + group) % GROUP
    return drawn[place * size : (place + 1) * size]


def _loss(
    model: torch.nn.Module, batch: Sequence[Row], schedule: Schedule, device: torch.device
) -> torch.Tensor:
    longest = max(len(row.ids) for row in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    weights = torch.zeros(len(batch), longest)
    for k, row in enumerate(batch):
        ids[k, : len(row.ids)] = torch.tensor(row.ids)
        weights[k, 1 : row.start] = schedule.prompt_weight
        weights[k, row.start : row.last] = 1.0
        weights[k, row.last : len(row.ids)] = schedule.last_weight
    ids, weights = ids.to(device), weights.to(device)
    # Padding stands on the right, where a causal model never looks at it.
    with torch.autocast(device.type, torch.bfloat16):
        logits = model(input_ids=ids[:, :-1]).logits
    losses = functional.cross_entropy(
        logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    flat = weights[:, 1:].flatten()
    return (losses * flat).sum() / flat.sum()


def _save(
    named: Named, optimisers: Optimisers, told: dict[str, str], step: int, folder: Path
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {"step": torch.tensor(step)}
    for name, parameter in named:
        tensors[f"value/{name}"] = parameter.detach().cpu().contiguous()
    for name, parameter, state in _states(named, optimisers):
        for key, value in state[parameter].items():
            tensors[f"{key}/{name}"] = value.detach().cpu().contiguous()
    new = folder / f"{_TENSORS}.new"
    save_file(tensors, new, metadata=told)
    new.replace(folder / _TENSORS)


def _states(
    named: Named, optimisers: Optimisers
) -> Iterator[tuple[str, torch.nn.Parameter, MutableMapping[Any, Any]]]:
    """Every parameter with its name and the memory of the optimiser that moves it."""
    for optimiser in optimisers:
        moved = {id(p) for group in optimiser.param_groups for p in group["params"]}
        for name, parameter in named:
            if id(parameter) in moved:
                yield name, parameter, optimiser.state


def check_state(folder: Path, schedule: Schedule, of: Mapping[str, object]) -> None:
    """Whether `fit` with these arguments may go on from what the folder keeps, if it keeps any.

    Raises:
        DataError: when that is the state of something else.
    """
    path = folder / _TENSORS
    if not path.exists():
        return
    with safe_open(path, "pt") as file:
        found = file.metadata() or {}
    for name, value in _told(schedule, of).items():
        if found.get(name) != value:
            raise DataError(
                f"{folder} keeps the state of a training with {name} {found.get(name)}, asked for "
                f"is {value}; take another folder, or remove it"
            )


def _told(schedule: Schedule, of: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in {**of, **asdict(schedule)}.items()}


def _resume(named: Named, optimisers: Optimisers, folder: Path) -> int:
    """The step to go on from; 0 where there is no state."""
    path = folder / _TENSORS
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    for name, parameter in named:
        parameter.data.copy_(tensors[f"value/{name}"])
    for name, parameter, state in _states(named, optimisers):
        kept = {}
        for key in ("step", "exp_avg", "exp_avg_sq", "momentum_buffer"):
            value = tensors.get(f"{key}/{name}")
            if value is not None:
                kept[key] = value if key == "step" else value.to(parameter.device)
        state[parameter] = kept
    return int(tensors["step"])
