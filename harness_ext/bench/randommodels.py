"""Models of published shapes with random weights: as costly as the real ones, and no download."""

from __future__ import annotations

from typing import Any

import torch
from lm_eval.api.registry import get_model

from oodrop import DataError, RunError, UnknownNameError
from oodrop.harness_ext.checkpoints import CheckpointSpec

SHAPES: dict[str, dict[str, Any]] = {
    "qwen2-0.5b": {
        "vocab_size": 151936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
    "qwen2-1.5b": {
        "vocab_size": 151936,
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
    "qwen2-7b": {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
    },
}
"""Published shapes of Qwen2 (their ``config.json``)."""
_COMMON: dict[str, Any] = {
    "max_position_embeddings": 32768,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
}
_SEED = 2026


def tokenizer_for(checkpoint: CheckpointSpec, shape: str) -> Any:
    """The tokenizer of the checkpoint, whose tokens a model of this shape knows.

    Raises:
        UnknownNameError: for a shape that is not among `SHAPES`.
        RunError: when it cannot be loaded.
        DataError: when it has more tokens than the shape has room for.
    """
    if shape not in SHAPES:
        raise UnknownNameError("shape", shape, SHAPES)
    from transformers import AutoTokenizer

    args = checkpoint.resolved_args()
    file = {"gguf_file": args["gguf_file"]} if "gguf_file" in args else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(args.get("pretrained")), **file)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise RunError(
            f"the tokenizer of {args.get('pretrained')} cannot be loaded: {reason}"
        ) from None
    room = SHAPES[shape]["vocab_size"]
    if len(tokenizer) > room:
        raise DataError(
            f"the tokenizer of {args['pretrained']} has {len(tokenizer)} tokens, and {shape} has "
            f"room for {room}"
        )
    return tokenizer


def random_backend(spec: CheckpointSpec, shape: str, tokenizer: Any) -> Any:
    """The checkpoint's backend around a model of its own."""
    device = spec.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return get_model(spec.model)(
        pretrained=random_model(shape, device),
        tokenizer=tokenizer,
        device=device,
        batch_size=spec.batch_size,
    )


def random_model(shape: str, device: str) -> Any:
    """A Qwen2 of a published shape in bfloat16, made on the device, always the same weights."""
    from transformers import AutoModelForCausalLM, Qwen2Config

    config = Qwen2Config(**SHAPES[shape], **_COMMON)
    devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices), torch.device(device):
        torch.manual_seed(_SEED)
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
