"""The training loop: it goes on where it was stopped, and weighs what the schedule says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from oodrop import DataError
from oodrop.harness_ext.training import base
from oodrop.harness_ext.training.fit import GROUP, Schedule, fit
from oodrop.harness_ext.training.tokens import Row


def fitted(
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    muon: float | None,
    stop: int | None = None,
) -> bytes:
    """The weights after eight small steps, or where a step raised; every second one is kept."""
    model = base.new_model(tokenizer, 1)
    schedule = Schedule(steps=8, batch=2, rate=1e-3, muon=muon)
    rows = base.pretraining_rows(tokenizer, 1, schedule)

    def tell(done: int, loss: float) -> None:
        if done == stop:
            raise KeyboardInterrupt

    try:
        fit(model, rows, schedule, folder, tell, {"seed": 1})
    except KeyboardInterrupt:
        assert stop is not None
    return b"".join(p.detach().numpy().tobytes() for p in model.parameters())


@pytest.mark.parametrize("muon", [None, 3e-3])
def test_a_fit_that_was_stopped_ends_as_one_that_was_not(
    muon: float | None, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    whole = fitted(tmp_path / "whole", tokenizer, muon)
    for stop in (2, 5):
        place = tmp_path / f"stopped-{stop}"
        assert fitted(place, tokenizer, muon, stop) != whole
        assert (place / "state.safetensors").exists() == (stop == 5)
        assert fitted(place, tokenizer, muon) == whole


def test_muon_moves_the_matrices_of_the_layers_only(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """A step of AdamW at a rate of 0 moves nothing, so what moved was moved by Muon."""
    model = base.new_model(tokenizer, 1)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    schedule = Schedule(steps=1, batch=2, rate=0.0, muon=3e-3)
    rows = base.pretraining_rows(tokenizer, 1, schedule)
    fit(model, rows, schedule, tmp_path, lambda done, loss: None, {})
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {n for n in before if n.endswith("_proj.weight")}


def test_a_state_of_something_else_is_not_gone_on_from(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = base.new_model(tokenizer, 1)
    steps: list[int] = []

    def rows(group: int) -> Sequence[Row]:
        return base.pretraining_rows(tokenizer, 1, Schedule(2, 1, 1e-3))(group)

    def go(rate: float, seed: int) -> None:
        schedule = Schedule(steps=2, batch=1, rate=rate)
        fit(model, rows, schedule, tmp_path, lambda done, loss: steps.append(done), {"seed": seed})

    go(1e-3, 0)
    go(1e-3, 0)
    with pytest.raises(DataError, match=r"with rate 0\.001, asked for is 0\.002"):
        go(2e-3, 0)
    with pytest.raises(DataError, match="with seed 0, asked for is 1"):
        go(1e-3, 1)
    assert steps == [1, 2]


def test_the_rate_rises_and_falls() -> None:
    schedule = Schedule(steps=100, batch=1, rate=1.0)
    rates = [schedule.share_at(step) for step in range(100)]
    assert rates[2] == max(rates) == 1.0
    assert rates[:3] == sorted(rates[:3])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("weights", "each"),
    [
        ((0.0, 1.0), (0, 0, 0, 1, 1)),
        ((1.0, 1.0), (1, 1, 1, 1, 1)),
        ((0.0, 20.0), (0, 0, 0, 1, 20)),
    ],
)
def test_every_token_counts_as_the_schedule_says(
    weights: tuple[float, float],
    each: tuple[int, ...],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    """Of prompt, reply and its last line."""
    losses = []
    model = base.new_model(tokenizer, 1)
    row = Row((5, 6, 7, 8, 9, 10), 4, 5)
    fit(
        model,
        lambda group: [row] * GROUP,
        Schedule(steps=1, batch=1, rate=0.0, prompt_weight=weights[0], last_weight=weights[1]),
        tmp_path,
        lambda done, loss: losses.append(loss),
        {},
    )
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=torch.tensor([row.ids[:-1]])).logits.float()
    own = torch.nn.functional.cross_entropy(logits[0], torch.tensor(row.ids[1:]), reduction="none")
    counted = torch.tensor(each, dtype=torch.float32)
    assert losses == [pytest.approx(float((own * counted).sum() / counted.sum()), abs=1e-4)]
