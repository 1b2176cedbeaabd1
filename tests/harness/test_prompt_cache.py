"""Caches of prompts: what the model itself would have cached, with nothing computed twice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from oodrop.harness_ext.promptcache import PromptCache, Row, joined, padded
from oodrop.harness_ext.tokentree import token_tree

from .generating import model_of

MODEL = model_of("qwen2")


class Forward:
    """Runs the model and counts."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(
        self,
        tokens: Sequence[int],
        cache: Any,
        seen: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> None:
        self.sizes.append(len(tokens))
        more: dict[str, Any] = {}
        if seen is not None and positions is not None:
            more = {"attention_mask": seen[None, None], "position_ids": positions[None]}
        with torch.no_grad():
            MODEL(input_ids=torch.tensor([list(tokens)]), past_key_values=cache, **more)


def some_prompts(seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    stems = [[rng.randrange(512) for _ in range(rng.randrange(3, 80))] for _ in range(3)]
    found = [[5], stems[0][:2], stems[0]]
    for _ in range(20):
        stem = stems[rng.randrange(3)]
        found.append(stem[: rng.randrange(1, len(stem))] + stems[0][: rng.randrange(25)])
    return found + found[:5]


def picked(row: Row) -> list[torch.Tensor]:
    return [pair[k][0, :, row.places] for pair in row.layers for k in range(2)]


@pytest.mark.parametrize("limit", [0, 1, 20, 100, 10_000])
@pytest.mark.parametrize("seed", range(3))
def test_a_prompt_has_the_cache_that_the_model_would_make(seed: int, limit: int) -> None:
    prompts, forward = some_prompts(seed), Forward()
    cache = PromptCache(forward, prompts, limit)
    assert sorted(cache.order) == list(range(len(prompts)))
    assert cache.order == PromptCache(forward, prompts, 50).order
    for n in cache.order:
        own = DynamicCache()
        with torch.no_grad():
            MODEL(input_ids=torch.tensor([prompts[n]]), past_key_values=own)
        row = cache.row(n)
        assert len(row.places) == len(prompts[n]) - 1
        expected = [t[0, :, :-1] for layer in own.layers for t in (layer.keys, layer.values)]
        for mine, theirs in zip(picked(row), expected, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    tree = token_tree([p[:-1] or p for p in prompts], [[0]] * len(prompts))
    assert sum(forward.sizes) == tree.size
    if limit == 10_000:
        assert forward.sizes == [tree.size]


@pytest.mark.parametrize("limit", [0, 20, 100])
def test_a_cache_is_the_same_to_the_bit_whatever_came_before(limit: int) -> None:
    prompts = some_prompts(7)
    whole = PromptCache(Forward(), prompts, limit)
    in_order = {n: picked(whole.row(n)) for n in whole.order}
    rng = random.Random(1)
    for _ in range(5):
        some = PromptCache(Forward(), prompts, limit)
        for n in rng.sample(range(len(prompts)), 6):
            for mine, theirs in zip(picked(some.row(n)), in_order[n], strict=True):
                assert torch.equal(mine, theirs)


def test_rows_outlive_the_pass_that_made_them() -> None:
    prompts = some_prompts(3)
    cache = PromptCache(Forward(), prompts, 20)
    rows = [cache.row(n) for n in cache.order]
    width = max(map(len, prompts))
    both = joined(rows, width)
    assert both.get_seq_length() == width
    for k, row in enumerate(rows):
        for layer, mine in zip(both.layers, picked(row)[::2], strict=True):
            assert torch.equal(layer.keys[k, :, width - len(row.places) :], mine)


def test_halved_it_gives_the_same_in_smaller_passes() -> None:
    prompts, forward = some_prompts(3), Forward()
    cache = PromptCache(forward, prompts, 400)
    before = {n: picked(cache.row(n)) for n in cache.order}
    order = list(cache.order)
    largest = max(forward.sizes)
    forward.sizes.clear()
    cache.halve()
    assert (cache.limit, cache.order) == (200, order)
    for n in order:
        for mine, theirs in zip(picked(cache.row(n)), before[n], strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    assert max(forward.sizes) <= 200 < largest
    for _ in range(5):
        cache.halve()
    assert cache.limit == 64


def test_a_long_beginning_goes_in_parts() -> None:
    forward = Forward()
    cache = PromptCache(forward, [[*range(200), 7], [*range(200), 8, 9]], 64)
    cache.row(0)
    cache.row(1)
    assert forward.sizes == [64, 64, 64, 8, 1]


def test_shorter_prompts_are_filled_with_their_own_first_token() -> None:
    tokens, mask = padded([[4, 5, 6], [7], [8, 9]])
    assert tokens.tolist() == [[4, 5, 6], [7, 7, 7], [8, 8, 9]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 1]]
