"""Which models `hf-packed` packs, and what it says of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from lm_eval.models.huggingface import HFLM
from transformers import PreTrainedModel

from oodrop.harness_ext.packed.packable import misfit

from .packing import answered, apart, packed, requests
from .tinymodels import KINDS, SHAPE, backend, model_of

LONG = {"short_factor": [1.0] * 6, "long_factor": [2.0] * 6}
ROPE = {"rope_theta": 10_000.0, "factor": 2.0}


def made(family: str, form: str = "ForCausalLM", **settings: Any) -> PreTrainedModel:
    """A small model of a family of transformers, with random weights."""
    torch.manual_seed(3)
    config = getattr(transformers, f"{family}Config")(**settings)
    return getattr(transformers, f"{family}{form}")(config)


def mpt() -> PreTrainedModel:
    return made(
        "Mpt", d_model=48, n_heads=4, n_layers=2, vocab_size=512, max_seq_len=256, expansion_ratio=2
    )


UNFIT: dict[str, tuple[Callable[[], PreTrainedModel], str]] = {
    "mistral with a window": (
        lambda: made("Mistral", **SHAPE, sliding_window=16),
        "its layers see a part of the text",
    ),
    "gemma 3": (
        lambda: transformers.Gemma3ForCausalLM(
            transformers.Gemma3TextConfig(**SHAPE, head_dim=12, sliding_window=16)
        ),
        "its layers see a part of the text",
    ),
    "mamba": (
        lambda: made("Mamba", vocab_size=512, hidden_size=32, num_hidden_layers=2, state_size=4),
        "its layers see a part of the text (linear_attention)",
    ),
    "bloom": (
        lambda: made("Bloom", vocab_size=512, hidden_size=48, n_layer=2, n_head=4),
        "a small tree ",
    ),
    "mpt": (mpt, "a small tree "),
    "falcon with alibi": (
        lambda: made(
            "Falcon", vocab_size=512, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
            alibi=True,
        ),
        "a small tree ",
    ),
    "dynamic rope": (
        lambda: made("Llama", **SHAPE, rope_parameters={"rope_type": "dynamic", **ROPE}),
        "its positions depend on the length of the text (dynamic rope)",
    ),
    "long rope": (
        lambda: made(
            "Phi3", **SHAPE, pad_token_id=0, original_max_position_embeddings=128,
            rope_parameters={"rope_type": "longrope", **ROPE, **LONG},
        ),
        "its positions depend on the length of the text (longrope rope)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_a_model_that_cannot_be_packed_says_why_and_answers_as_hf(
    name: str, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    make, reason = UNFIT[name]
    model, asked = make(), requests(2, count=12)
    plain = answered(backend(HFLM, model, tokenizer), asked)
    ours = packed(model, tokenizer)
    assert answered(ours, asked) == plain
    assert reason in ours.fallback
    assert not ours.plans_whole
    assert ours.computed == ours.limit == 0
    told = [r.getMessage() for r in caplog.records if r.name.startswith("oodrop.")]
    assert told == [f"hf-packed answers as hf: {ours.fallback}"]


def test_an_encoder_is_no_decoder(tokenizer: Any) -> None:
    model = made(
        "T5", "ForConditionalGeneration", vocab_size=512, d_model=32, d_kv=8, d_ff=64, num_layers=2,
        num_heads=4, decoder_start_token_id=0,
    )  # fmt: skip
    asked = requests(2, count=8)
    plain = answered(backend(HFLM, model, tokenizer, backend="seq2seq"), asked)
    ours = packed(model, tokenizer, backend="seq2seq")
    assert answered(ours, asked) == plain
    assert ours.fallback == "it is no decoder-only model"


def test_a_kernel_without_masks_is_named() -> None:
    config = KINDS["llama"]().config
    config._attn_implementation = "flash_attention_2"
    assert "(flash_attention_2) takes no mask; attn_implementation=sdpa does" in misfit(config)


@pytest.mark.parametrize("kind", ["linear", "yarn", "llama3"])
def test_rope_that_does_not_depend_on_the_length_is_packed(kind: str, tokenizer: Any) -> None:
    more = {"original_max_position_embeddings": 128, "low_freq_factor": 1.0}
    more |= {"high_freq_factor": 4.0}
    given = ROPE if kind == "linear" else {**ROPE, **(more if kind == "llama3" else {})}
    model = made("Llama", **SHAPE, rope_parameters={"rope_type": kind, **given})
    asked = requests(2, count=12)
    ours = packed(model, tokenizer)
    plain = answered(backend(HFLM, model, tokenizer), asked)
    assert apart(plain, answered(ours, asked)) < 1e-4
    assert ours.fallback == ""


@pytest.mark.parametrize(
    ("kind", "dropped", "dtype"),
    [
        ("llama", "position_ids", torch.float32),
        ("llama", "attention_mask", torch.float32),
        ("llama", "past_key_values", torch.float32),
        ("llama", "attention_mask", torch.bfloat16),
        ("gpt2", "position_ids", torch.bfloat16),
    ],
)
def test_a_model_that_ignores_what_it_is_told_is_found_out(
    kind: str, dropped: str, dtype: torch.dtype, tokenizer: Any
) -> None:
    model = model_of(kind).to(dtype)
    assert packed(model, tokenizer).fallback == ""
    forward = model.forward

    def deaf(*arguments: Any, **more: Any) -> Any:
        more.pop(dropped, None)
        return forward(*arguments, **more)

    model.forward = deaf
    assert packed(model, tokenizer).fallback.startswith("a small tree ")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_packed(kind: str, dtype: torch.dtype, tokenizer: Any) -> None:
    assert packed(model_of(kind).to(dtype), tokenizer).fallback == ""
    assert packed(KINDS[kind]().to(dtype), tokenizer).fallback == ""
