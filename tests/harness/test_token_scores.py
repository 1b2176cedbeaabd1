"""Scores read from logits: every token from its own row, whatever the size of the chunks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oodrop.harness_ext.packed import scores
from oodrop.harness_ext.packed.scores import scored


@pytest.mark.parametrize("count", [1, 511, 512, 513, 1024, 1030])
def test_chunks_change_nothing(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    logits = torch.randn((count, 7), generator=generator)
    drawn = np.random.default_rng(count).integers(0, count, 2 * count)
    edges = [k for k in (0, 510, 511, 511, 512, 512, 513, 1023, 1024) if k < count]
    rows = np.sort(np.concatenate([drawn, edges]))
    targets = (rows * 3 + np.arange(len(rows))) % 7
    requests = np.arange(len(rows))
    found = scored(logits, rows, targets, requests, None)
    whole = torch.log_softmax(logits, dim=-1)
    assert found.values == pytest.approx(whole[rows, targets].tolist(), abs=1e-6)
    assert found.likeliest == (logits.argmax(dim=-1)[rows].numpy() == targets).tolist()
    assert found.requests is requests


def test_in_another_precision() -> None:
    logits = torch.tensor([[1.0, 1.001, -3.0]], dtype=torch.bfloat16)
    rows, targets = np.array([0]), np.array([2])
    fine = scored(logits, rows, targets, rows, torch.float32)
    coarse = scored(logits, rows, targets, rows, None)
    exact = torch.log_softmax(logits.double(), dim=-1)[0, 2].item()
    assert fine.values == pytest.approx([exact], abs=1e-6)
    assert abs(coarse.values[0] - exact) > 1e-4


def test_a_chunk_holds_so_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    softmax = scores.functional.log_softmax

    def counted(logits: torch.Tensor, **settings: object) -> torch.Tensor:
        sizes.append(len(logits))
        return softmax(logits, **settings)

    monkeypatch.setattr(scores.functional, "log_softmax", counted)
    rows = np.arange(1030)
    scored(torch.zeros((1030, 3)), rows, rows % 3, rows, None)
    assert sizes == [512, 512, 6]
