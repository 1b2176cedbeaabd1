"""Caches of prompts: what the model itself would have cached, with nothing computed twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, DynamicCache
from transformers.cache_utils import DynamicLayer

from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.harness_ext.packed.promptcache import PromptCache, RoomyLayer, Row, joined, padded
from oodrop.harness_ext.packed.tokenrow import token_row

from .tinymodels import backend, model_of


@pytest.fixture(scope="module")
def lm(tiny_model: Path) -> Any:
    return backend(HFPacked, model_of("qwen2"), AutoTokenizer.from_pretrained(tiny_model))


def cache_of(lm: Any, prompts: list[list[int]], size: int) -> PromptCache:
    lm.prefilled = 0
    cache = PromptCache(prompts, lm._prefill, lm._blank)
    cache.use(size)
    return cache


def some_prompts(seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    stems = [[rng.randrange(512) for _ in range(rng.randrange(3, 80))] for _ in range(3)]
    found = [[5], stems[0][:2], stems[0]]
    for _ in range(20):
        stem = stems[rng.randrange(3)]
        found.append(stem[: rng.randrange(1, len(stem))] + stems[0][: rng.randrange(25)])
    return found + found[:5]


def picked(row: Row) -> list[torch.Tensor]:
    return [pair[k][0, :, row.places] for pair in row.pairs for k in range(2)]


@pytest.mark.parametrize("size", [1, 7, 20, 100, 10_000])
@pytest.mark.parametrize("seed", range(3))
def test_a_prompt_has_the_cache_that_the_model_would_make(seed: int, size: int, lm: Any) -> None:
    prompts = some_prompts(seed)
    cache = cache_of(lm, prompts, size)
    assert sorted(cache.order) == list(range(len(prompts)))
    for n in cache.order:
        own = DynamicCache()
        with torch.no_grad():
            lm.model(input_ids=torch.tensor([prompts[n]]), past_key_values=own)
        row = cache.cached(n)
        assert len(row.places) == len(prompts[n]) - 1
        expected = [t[0, :, :-1] for layer in own.layers for t in (layer.keys, layer.values)]
        for mine, theirs in zip(picked(row), expected, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    assert lm.prefilled == len(token_row([p[:-1] or p for p in prompts], [[0]] * len(prompts)))


@pytest.mark.parametrize("size", [7, 20, 100])
def test_a_cache_is_the_same_to_the_bit_whatever_was_asked_before(size: int, lm: Any) -> None:
    prompts = some_prompts(7)
    whole = cache_of(lm, prompts, size)
    in_order = {n: picked(whole.cached(n)) for n in whole.order}
    everything = lm.prefilled
    rng = random.Random(1)
    for in_any_order in (False, True):
        for _ in range(5):
            some = cache_of(lm, prompts, size)
            asked = rng.sample(some.order, 4)
            for n in asked if in_any_order else sorted(asked, key=some.order.index):
                for mine, theirs in zip(picked(some.cached(n)), in_order[n], strict=True):
                    assert torch.equal(mine, theirs)
    last = cache_of(lm, prompts, 7)
    last.cached(last.order[-1])
    assert lm.prefilled < 0.5 * everything  # what leads nowhere is left out


@pytest.mark.parametrize("size", [4, 7, 22])
def test_a_prompt_asked_for_after_a_later_one_has_its_whole_beginning(size: int, lm: Any) -> None:
    prompts = [[*range(10, 30), 1], [40, 1], [50, 1]]  # pieces begin inside the first
    straight, after = cache_of(lm, prompts, size), cache_of(lm, prompts, size)
    assert straight.order == [0, 1, 2]
    after.cached(1)
    for mine, theirs in zip(picked(after.cached(0)), picked(straight.cached(0)), strict=True):
        assert torch.equal(mine, theirs)


def test_rows_outlive_the_pass_that_made_them(lm: Any) -> None:
    prompts = some_prompts(3)
    cache = cache_of(lm, prompts, 20)
    rows = [cache.cached(n) for n in cache.order]
    width = max(map(len, prompts))
    both = joined(rows, width)
    assert both.get_seq_length() == width
    for k, row in enumerate(rows):
        for layer, mine in zip(both.layers, picked(row)[::2], strict=True):
            assert torch.equal(layer.keys[k, :, width - len(row.places) :], mine)


def test_other_sizes_of_a_pass_give_the_same(lm: Any) -> None:
    prompts = some_prompts(3)
    cache = cache_of(lm, prompts, 400)
    before = {n: picked(cache.cached(n)) for n in cache.order}
    order = list(cache.order)
    cache.use(30)
    assert (cache.size, cache.order) == (30, order)
    for n in order:
        for mine, theirs in zip(picked(cache.cached(n)), before[n], strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_shorter_prompts_are_filled_with_their_own_first_token() -> None:
    tokens, mask = padded([[4, 5, 6], [7], [8, 9]])
    assert tokens.tolist() == [[4, 5, 6], [7, 7, 7], [8, 8, 9]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 1]]


def test_a_layer_with_room_holds_what_any_other_holds_and_copies_less() -> None:
    torch.manual_seed(0)
    layer, other = RoomyLayer(), DynamicLayer()
    where = []
    for number, places in enumerate((5, 1, 2, 1, 3, 1, 70, 1)):
        if number == 4:  # as a search over beams does
            layer.reorder_cache(torch.tensor([2, 0, 0]))
            other.reorder_cache(torch.tensor([2, 0, 0]))
        new = torch.randn(3, 2, places, 4)
        for mine, theirs in zip(layer.update(new, -new), other.update(new, -new), strict=True):
            assert torch.equal(mine, theirs)
        assert layer.get_seq_length() == other.get_seq_length()
        where.append(layer.keys.data_ptr())
    assert where[0] == where[3] != where[4]  # in place until the rows were reordered
    assert where[4] == where[5] != where[6] == where[7]  # and until there was no room
    layer.reset()
    assert layer.get_seq_length() == 0
    assert torch.equal(layer.update(new, new)[0], new)
