"""How many tokens of a tree fit into a pass."""

from __future__ import annotations

import pytest
from transformers import GPT2Config, Qwen2Config

from oodrop.harness_ext.packed.budget import LEAST, MOST, pass_tokens

GIB = 1 << 30
QWEN = Qwen2Config(
    vocab_size=151_936,
    hidden_size=896,
    intermediate_size=4_864,
    num_hidden_layers=24,
    num_attention_heads=14,
    num_key_value_heads=2,
)


@pytest.mark.parametrize(
    ("past", "count"),
    [
        # 1,024 tokens: mask 6.2 MB, keys and values 75 MB, activations 45 MB, logits 933 MB.
        (500, 1024),
        # 256 tokens: mask 103 MB, keys and values 4.9 GB, activations 11 MB, logits 233 MB.
        (100_000, 256),
    ],
)
def test_half_of_what_is_free_is_filled(past: int, count: int) -> None:
    mask = count * (past + count) * (2 + 2)
    cache = 4 * (past + count) * 24 * 2 * 64 * 2
    activations = count * (8 * 896 + 3 * 4_864) * 2
    logits = count * 151_936 * (2 + 4)
    free = 2 * (mask + cache + activations + logits)
    assert pass_tokens(QWEN, 2, free, past) == count
    assert pass_tokens(QWEN, 2, free - 2, past) == count // 2


def test_there_is_a_least_and_a_most() -> None:
    assert pass_tokens(QWEN, 2, 0, 500) == LEAST
    assert pass_tokens(QWEN, 2, 80 * GIB, 500) == MOST


def test_eager_attention_keeps_all_scores() -> None:
    config = Qwen2Config(**QWEN.to_dict())
    config._attn_implementation = "eager"
    free = 4 * GIB
    assert pass_tokens(config, 2, free, 8_000) < pass_tokens(QWEN, 2, free, 8_000)


def test_a_configuration_by_other_names() -> None:
    """GPT-2 says n_embd, n_layer and n_head, and leaves out what follows from them."""
    mask, cache = 1024 * 1524 * 6, 4 * 1524 * 12 * 768 * 4
    rest = 1024 * (8 * 768 + 3 * 4 * 768) * 4 + 1024 * 50_257 * 8
    free = 2 * (mask + cache + rest)
    assert pass_tokens(GPT2Config(), 4, free, 500) == 1024
    assert pass_tokens(GPT2Config(), 4, free - 2, 500) == 512
