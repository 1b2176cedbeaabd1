"""Whether a model can go on from a cache that was put together: looked up, then tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from oodrop.harness_ext.packed.promptcache import PromptCache, joined, padded

_PROBE = 24  # tokens that the prompts share
_PIECE = 10  # tokens of a pass
_NEW = 3
# As for log-likelihoods: rounding stays far below, a token at a wrong place does not.
_ALLOWED = {True: 1e-3, False: 0.1}


def why_unfit(lm: Any) -> str:
    """Why replies cannot be generated from shared caches; "" where they can.

    Small prompts are continued both ways.

    Args:
        lm: an `HFPacked`.
    """
    if lm.fallback:
        return str(lm.fallback)
    own = lm.model.generation_config
    if own.cache_implementation or own.get_generation_mode() not in ("greedy_search", "sample"):
        return "its generation_config asks for a search or a cache of its own"
    exact = lm.model.dtype == torch.float32 and lm.mixed_precision_dtype is None
    before = lm.prefilled
    try:
        apart = _differences(lm)
    except Exception as error:  # any architecture fails in its own way; its reason is shown
        return f"small prompts failed with {type(error).__name__}: {error!s:.80}"
    finally:
        lm.prefilled = before
    if all(value <= _ALLOWED[exact] for value in apart):
        return ""
    return f"small prompts gave logits that differ by {max(apart):.2g} of their spread"


def _differences(lm: Any) -> list[float]:
    """Root mean square of the differences of logits, in units of their standard deviation."""
    size = int(lm.model.config.get_text_config().vocab_size)
    tokens = [(7 + 31 * k) % size for k in range(2 * _PROBE)]
    start, rest = tokens[:_PROBE], tokens[_PROBE:]
    prompts = [start, [*start, *rest[:9]], [*start[:-4], *rest[9:14]]]
    cache = PromptCache(prompts, lm._prefill, lm._blank)
    cache.use(_PIECE)
    rows = {n: cache.cached(n) for n in cache.order}
    shared = joined([rows[n] for n in range(len(prompts))], len(prompts[1]) - 1)
    ours, found = _continued(lm, prompts, past_key_values=shared)
    apart: list[float] = []
    for n, prompt in enumerate(prompts):
        made, logits = _continued(lm, [prompt])
        for step, (theirs, own) in enumerate(zip(logits, found, strict=False)):
            if made[0][:step] == ours[n][:step]:  # behind a tie the texts are others
                apart.append(float((theirs[0] - own[n]).square().mean().sqrt() / theirs.std()))
    return apart


def _continued(
    lm: Any, prompts: Sequence[list[int]], **more: Any
) -> tuple[list[list[int]], Sequence[torch.Tensor]]:
    """Greedy tokens of each prompt, and for each step the logits, (prompts, vocabulary)."""
    context, mask = padded(prompts)
    made = lm._model_generate(
        context=context.to(lm.device),
        attention_mask=mask.to(lm.device),
        max_length=context.shape[1] + _NEW,
        stop=[],
        do_sample=False,
        return_dict_in_generate=True,
        output_logits=True,
        **more,
    )
    return made.sequences[:, context.shape[1] :].tolist(), made.logits
