"""Which models can be used with token trees: looked up in the configuration, then tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from oodrop.harness_ext.packed.tokenrow import token_row

_ATTENTION = ("eager", "sdpa")  # those that take a mask of ours
_LENGTHWISE = ("dynamic", "longrope")  # all positions turn when the text grows over a length

_PROBE = 24  # tokens that the sequences share
_PIECE = 10  # tokens of a pass, beside all in one
# Root mean square of the differences, in standard deviations of the logits. Rounding alone stays
# far below; a token at a wrong place, or one that sees another's path, does not.
_ALLOWED = {True: 1e-3, False: 0.1}


def why_unpackable(lm: Any) -> str:
    """Why a backend cannot use token trees; "" where it can.

    A small tree is computed as a whole, in pieces, and as `hf` does.

    Args:
        lm: an `HFPacked`.
    """
    if lm.backend != "causal":
        return "it is no decoder-only model"
    if reason := misfit(lm.model.config):
        return reason
    before = lm.pack_tokens, lm.softmax_dtype, lm.computed
    lm.softmax_dtype = torch.float32
    try:
        return _tried(lm)
    except Exception as error:  # any architecture fails in its own way; its reason is shown
        return f"a small tree failed with {type(error).__name__}: {error!s:.80}"
    finally:
        lm.pack_tokens, lm.softmax_dtype, lm.computed = before


def _tried(lm: Any) -> str:
    size = int(lm.model.config.get_text_config().vocab_size)
    tokens = [(7 + 31 * k) % size for k in range(2 * _PROBE)]
    start, rest = tokens[:_PROBE], tokens[_PROBE:]
    contexts = [start, start, [*start, *rest[:9]], rest[:2]]
    targets = [rest[:9], [*rest[:3], *rest[12:17]], rest[3:6], rest[5:9]]
    row = token_row(contexts, targets)
    plain = [_as_hf(lm, c, t) for c, t in zip(contexts, targets, strict=True)]
    expected = np.concatenate([chances for chances, _ in plain])
    spread = np.concatenate([spreads for _, spreads in plain]).mean()
    exact = lm.model.dtype == torch.float32 and lm.mixed_precision_dtype is None
    for lm.pack_tokens in (len(row), _PIECE):
        found: list[list[float]] = [[] for _ in contexts]
        for scores in lm.passes(row, np.ones(len(contexts), dtype=bool)):
            for request, value in zip(scores.requests, scores.values, strict=True):
                found[request].append(value)
        apart = np.sqrt(np.mean((np.concatenate(found) - expected) ** 2)) / spread
        if not apart <= _ALLOWED[exact]:
            return f"a small tree gave logits that differ by {apart:.2g} of their spread"
    return ""


def _as_hf(lm: Any, context: Sequence[int], target: Sequence[int]) -> tuple[Any, Any]:
    """Log-probability of each target, and the standard deviation of the logits there."""
    inputs = torch.tensor([[*context, *target[:-1]]], device=lm.device)
    logits = lm._model_call(inputs)[0, -len(target) :].float()
    of = torch.tensor(target, device=lm.device)[:, None]
    chances = functional.log_softmax(logits, dim=-1).gather(1, of)[:, 0]
    return chances.cpu().numpy(), logits.std(dim=-1).cpu().numpy()


def misfit(config: Any) -> str:
    """Why a decoder cannot be used with token trees; "" where nothing speaks against it.

    What a short text shows is found by trying. Here is what only long ones show: windows that
    slide over the text, and positions that depend on its length.

    Args:
        config: a transformers configuration.
    """
    text = config.get_text_config()
    layers = set(getattr(text, "layer_types", None) or ())
    if layers - {"full_attention"} or getattr(text, "sliding_window", None):
        return f"its layers see a part of the text ({', '.join(sorted(layers)) or 'window'})"
    kernel = getattr(text, "_attn_implementation", None)
    if kernel not in (*_ATTENTION, None):
        return f"its attention ({kernel}) takes no mask; attn_implementation=sdpa does"
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None)
    kinds = sorted(set(_rope_types(rope)) & set(_LENGTHWISE))
    if kinds:
        return f"its positions depend on the length of the text ({', '.join(kinds)} rope)"
    return ""


def _rope_types(rope: object) -> Iterator[str]:
    """The kinds of rotary positions, whether given once or by type of layer."""
    if isinstance(rope, Mapping):
        yield str(rope.get("rope_type", rope.get("type")))
        for value in rope.values():
            yield from _rope_types(value)
