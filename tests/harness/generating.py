"""Tiny models whose replies differ, and prompts that share beginnings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
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
WORDS = [
    "the",
    "procedure",
    "says",
    "item",
    "visit",
    "must",
    "be",
    "signed",
    "when",
    "not",
    "before",
    "after",
    "12",
    "34",
    "yes",
    "no",
]


def model_of(kind: str) -> PreTrainedModel:
    """Weights large enough for replies to hang on the prompt, and never on rounding."""
    torch.manual_seed(3)
    return enlarged(KINDS[kind]())


def enlarged(model: PreTrainedModel) -> PreTrainedModel:
    """The same with larger weights."""
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.mul_(4)
    return model.eval()


def texts(seed: int, count: int = 30) -> list[str]:
    """Prompts that share beginnings, at random; some twice, some inside another, one short."""
    rng = random.Random(seed)
    stems = [" ".join(rng.choices(WORDS, k=40)) for _ in range(3)]
    found = ["a", stems[0][:50], f"{stems[0][:50]} yes"]
    while len(found) < count:
        middle = rng.choice(stems)[: rng.randrange(5, 150)]
        found.append(f"{middle} {' '.join(rng.choices(WORDS, k=rng.randrange(1, 9)))}")
    return [*found, *found[:4]]


def asked(prompts: Sequence[str], **settings: Any) -> list[Instance]:
    """Requests for replies."""
    given = {"until": ["\n\n"], "max_gen_toks": 12, **settings}
    return [
        Instance("generate_until", {}, (prompt, given), k, ("t", k, 1))
        for k, prompt in enumerate(prompts)
    ]


def backend(kind: type[HFLM], model: PreTrainedModel, tokenizer: Any, **more: Any) -> Any:
    settings: dict[str, Any] = {"device": "cpu", "batch_size": 4, **more}
    return kind(pretrained=model, tokenizer=tokenizer, **settings)
