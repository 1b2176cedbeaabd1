"""How many tokens of a token tree go through a model in one pass, by the memory there is."""

from __future__ import annotations

from typing import Any

LEAST, MOST = 64, 4096  # beyond, what is computed for the mask to hide outweighs the calls saved
_SHARE = 0.5  # of what is free: kernels need room that no formula knows


def pass_tokens(config: Any, size: int, free: int, past: int) -> int:
    """The largest power of two from `LEAST` to `MOST` whose pass fits into half of what is free.

    A pass of n tokens behind p others takes, in numbers of `size` bytes unless told otherwise:

    - the mask, and two of booleans that it is made of: n (p + n);
    - keys and values of all layers, held, and copied with the new ones: 4 (p + n) layers x width;
    - activations of a layer: n (8 hidden + 3 intermediate);
    - where attention is `eager`, its scores, also in float32: 2 heads n (p + n);
    - logits, also in float32, at worst after every token: 2 n vocabulary.

    Args:
        config: a transformers configuration.
        size: bytes of a number of the model.
        free: bytes.
        past: tokens of the longest sequence.
    """
    count = MOST
    while count > LEAST and _needed(config.get_text_config(), size, count, past) > _SHARE * free:
        count //= 2
    return count


def _needed(config: Any, size: int, count: int, past: int) -> int:
    heads = int(config.num_attention_heads)
    hidden = int(config.hidden_size)
    width = int(getattr(config, "head_dim", None) or hidden // heads)
    width *= int(getattr(config, "num_key_value_heads", None) or heads)
    inner = int(getattr(config, "intermediate_size", None) or 4 * hidden)
    seen = past + count
    mask = count * seen * (size + 2)
    cache = 4 * seen * int(config.num_hidden_layers) * width * size
    activations = count * (8 * hidden + 3 * inner) * size
    eager = getattr(config, "_attn_implementation", None) == "eager"
    scores = 2 * heads * count * seen * (size + 4) if eager else 0
    logits = count * int(config.vocab_size) * (size + 4)
    return mask + cache + activations + scores + logits
