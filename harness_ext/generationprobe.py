"""Whether a model can go on from a cache that was put together: looked up, then tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM

from oodrop.harness_ext.promptcache import Forward, PromptCache, joined, padded

_PROBE = 24  # tokens that the prompts share
_NEW = 3


def why_unfit(lm: HFLM, forward: Forward, limit: int) -> str:
    """Why replies cannot be generated from shared caches; "" where they can.

    Small prompts are continued both ways. What only long texts or other settings show is read from
    the configurations.

    Args:
        lm: the backend.
        forward: runs its model.
        limit: tokens of the largest pass.
    """
    if lm.backend != "causal":
        return "it is no decoder-only model"
    config = lm.model.config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ())
    if layers - {"full_attention"} or getattr(config, "sliding_window", None):
        return f"its layers see a part of the text ({', '.join(sorted(layers)) or 'window'})"
    own = lm.model.generation_config
    if own.cache_implementation or own.get_generation_mode() not in ("greedy_search", "sample"):
        return "its generation_config asks for a search or a cache of its own"
    allowed = 1e-3 if lm.model.dtype == torch.float32 else 0.1
    try:
        for most in (0, limit):
            for apart in _differences(lm, forward, most):
                if not apart <= allowed:
                    return f"small prompts gave logits that differ by {apart:.2g} of their spread"
    except (TypeError, ValueError, RuntimeError, AttributeError, LookupError) as error:
        return f"small prompts failed with {type(error).__name__}: {error!s:.80}"
    return ""


def _differences(lm: HFLM, forward: Forward, limit: int) -> list[float]:
    """Root mean square of the differences of logits, in units of their standard deviation."""
    size = int(lm.model.config.get_text_config().vocab_size)
    tokens = [(7 + 31 * k) % size for k in range(2 * _PROBE)]
    start, rest = tokens[:_PROBE], tokens[_PROBE:]
    prompts = [start, [*start, *rest[:9]], [*start[:-4], *rest[9:14]]]
    cache = PromptCache(forward, prompts, limit)
    shared = joined([cache.row(n) for n in range(len(prompts))], len(prompts[1]) - 1)
    ours, found = _continued(lm, prompts, past_key_values=shared)
    apart: list[float] = []
    for n, prompt in enumerate(prompts):
        made, logits = _continued(lm, [prompt])
        for step, (theirs, own) in enumerate(zip(logits, found, strict=False)):
            if made[0][:step] == ours[n][:step]:  # behind a tie the texts are others
                apart.append(float((theirs[0] - own[n]).square().mean().sqrt() / theirs.std()))
    return apart


def _continued(
    lm: HFLM, prompts: Sequence[list[int]], **more: Any
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
