"""Tiny real models of several families, whose answers are far from uniform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

SHAPE: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
KINDS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
    "gemma": lambda: GemmaForCausalLM(GemmaConfig(**SHAPE, head_dim=12)),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(
            vocab_size=512, n_embd=48, n_layer=3, n_head=4, n_positions=256,
            bos_token_id=0, eos_token_id=2,
        )
    ),
}  # fmt: skip
# Families that `hf-packed` leaves to `hf`, with what it says.
FALLBACKS: dict[str, tuple[Callable[[], PreTrainedModel], str]] = {
    "window": (
        lambda: MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=16)),
        "its layers see a part of the text",
    ),
    "mamba": (
        lambda: MambaForCausalLM(
            MambaConfig(vocab_size=512, hidden_size=32, num_hidden_layers=2, eos_token_id=2)
        ),
        "its layers see a part of the text (linear_attention)",
    ),
    "t5": (
        lambda: T5ForConditionalGeneration(
            T5Config(vocab_size=512, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
                     decoder_start_token_id=0, pad_token_id=0, eos_token_id=2)
        ),
        "it is no decoder-only model",
    ),
}  # fmt: skip


def model_of(kind: str) -> PreTrainedModel:
    """Weights large enough for answers to hang on the prompt, and never on rounding."""
    torch.manual_seed(3)
    return enlarged(KINDS[kind]())


def enlarged(model: PreTrainedModel) -> PreTrainedModel:
    """The same with larger weights."""
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.mul_(4)
    return model.eval()


def backend(kind: type[HFLM], model: PreTrainedModel, tokenizer: Any, **more: Any) -> Any:
    settings: dict[str, Any] = {"device": "cpu", "batch_size": 4, **more}
    return kind(pretrained=model, tokenizer=tokenizer, **settings)


def replies(kind: type[HFLM], model: Any, tokenizer: Any, requests: Any, **more: Any) -> list[str]:
    lm = backend(kind, model, tokenizer, **more)
    return list(lm.generate_until(requests, disable_tqdm=True))
