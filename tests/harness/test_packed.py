"""`hf-packed` against lm-eval's own `hf`: the same numbers from fewer tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.models.huggingface import HFLM
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from oodrop import DataError
from oodrop.harness_ext.packed import HFPacked
from oodrop.harness_ext.tokentree import token_tree

SHAPE: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
KINDS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
    "gemma": lambda: GemmaForCausalLM(GemmaConfig(**SHAPE, head_dim=12)),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=512, n_embd=48, n_layer=3, n_head=4, n_positions=256)
    ),
}
Requests = list[tuple[tuple[str, str], list[int], list[int]]]


def requests(seed: int, count: int = 40) -> Requests:
    """Token lists that share beginnings, at random; some lists twice, some inside another."""
    rng = random.Random(seed)
    stems = [[rng.randrange(512) for _ in range(rng.randrange(3, 60))] for _ in range(4)]
    found: Requests = []
    while len(found) < count:
        stem = stems[rng.randrange(4)]
        middle = stems[rng.randrange(4)][: rng.randrange(40)]
        context = stem[: rng.randrange(1, len(stem))] + middle
        for _ in range(rng.randrange(1, 4)):
            target = [rng.randrange(512) for _ in range(rng.randrange(1, 5))]
            found.append(((f"c{len(found)}", "t"), context, target))
    return found + found[:3]


class Hook:
    """Keeps what the backend reports."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, Any]] = []

    def add_partial(self, kind: str, request: Any, answer: Any) -> None:
        assert kind == "loglikelihood"
        self.told.append((request, answer))


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def backend(kind: type[HFLM], model: PreTrainedModel, tokenizer: Any, **more: Any) -> HFLM:
    return kind(pretrained=model.eval(), tokenizer=tokenizer, device="cpu", batch_size=4, **more)


def apart(left: Sequence[tuple[float, bool]], right: Sequence[tuple[float, bool]]) -> float:
    assert len(left) == len(right)
    return max(abs(a[0] - b[0]) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("pack_tokens", [1, 20, 1_000])
@pytest.mark.parametrize("kind", KINDS)
def test_random_requests_get_the_numbers_of_hf(kind: str, pack_tokens: int, tokenizer: Any) -> None:
    torch.manual_seed(3)
    model = KINDS[kind]()
    asked = requests(11)
    plain = backend(HFLM, model, tokenizer)._loglikelihood_tokens(asked, disable_tqdm=True)
    ours = backend(HFPacked, model, tokenizer, pack_tokens=pack_tokens)
    hook = Hook()
    ours.set_cache_hook(hook)
    answers = ours._loglikelihood_tokens(asked, disable_tqdm=True)
    assert ours._reason == ""
    assert apart(plain, answers) < 1e-4
    assert [a[1] for a in answers] == [a[1] for a in plain]
    assert sorted(hook.told) == sorted((r[0], a) for r, a in zip(asked, answers, strict=True))
    assert ours.computed == ours.limit == len(token_tree([r[1] for r in asked], [r[2] for r in asked]))
    assert ours.computed < 0.6 * sum(len(r[1]) + len(r[2]) - 1 for r in asked)


def test_a_greedy_continuation_is_known_as_one(tokenizer: Any) -> None:
    torch.manual_seed(3)
    model = KINDS["qwen2"]().eval()
    context = list(range(5, 25))
    with torch.no_grad():
        made = model.generate(torch.tensor([context]), max_new_tokens=4, do_sample=False)[0]
    target = made[len(context) :].tolist()
    asked: Requests = [(("a", "b"), context, target), (("a", "c"), context, [*target[:3], 7])]
    found = backend(HFPacked, model, tokenizer)._loglikelihood_tokens(asked)
    assert [is_greedy for _, is_greedy in found] == [True, target[3] == 7]


def test_too_long_requests_are_cut_at_the_left_as_hf_does(tokenizer: Any) -> None:
    torch.manual_seed(3)
    model = KINDS["qwen2"]()
    long = [k % 500 for k in range(400)]
    asked: Requests = [((str(k), "t"), long[:k], [3, 4, 5]) for k in (200, 254, 255, 260, 400)]
    plain = backend(HFLM, model, tokenizer)._loglikelihood_tokens(asked, disable_tqdm=True)
    found = backend(HFPacked, model, tokenizer)._loglikelihood_tokens(asked)
    assert apart(plain, found) < 1e-4


def test_adapters_are_part_of_the_model(tokenizer: Any) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    config = LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = get_peft_model(KINDS["qwen2"](), config)
    asked = requests(5)
    plain = backend(HFLM, model, tokenizer)._loglikelihood_tokens(asked, disable_tqdm=True)
    ours = backend(HFPacked, model, tokenizer)
    assert apart(plain, ours._loglikelihood_tokens(asked)) < 1e-4
    assert ours._reason == ""


@pytest.mark.parametrize("broken", ["window", "probe"])
def test_a_model_that_cannot_be_packed_answers_as_hf(
    broken: str, tokenizer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(3)
    if broken == "window":
        model = MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=16))
    else:
        model = KINDS["llama"]()
        score = HFPacked._stock_score
        monkeypatch.setattr(HFPacked, "_stock_score", lambda *a: score(*a) + 0.5)
    asked = requests(2)
    plain = backend(HFLM, model, tokenizer)._loglikelihood_tokens(asked, disable_tqdm=True)
    ours = backend(HFPacked, model, tokenizer)
    assert ours._loglikelihood_tokens(asked, disable_tqdm=True) == plain
    assert ours.computed == 0
    said = {"window": "its layers see a part of the text", "probe": "differ by 0.5"}[broken]
    assert "hf-packed answers as hf: " in caplog.text
    assert said in caplog.text


@pytest.mark.parametrize("value", ["-1", "0", "many", "1.5"])
def test_a_wrong_size_is_refused(value: str, tokenizer: Any) -> None:
    with pytest.raises(DataError, match="pack_tokens must be a whole number of 1 or more, got"):
        backend(HFPacked, KINDS["qwen2"](), tokenizer, pack_tokens=value)
