"""`hf-packed` against lm-eval's own `hf`: the same numbers from fewer tokens."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from oodrop import DataError
from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.harness_ext.packed.tokenrow import token_row

from .packing import Hook, Requests, answered, apart, packed, requests
from .tinymodels import KINDS, backend, model_of


@pytest.mark.parametrize("pack_tokens", [1, 7, 100, None])
@pytest.mark.parametrize("kind", KINDS)
def test_random_requests_get_the_numbers_of_hf(kind: str, pack_tokens: int, tokenizer: Any) -> None:
    asked = requests(11, count=20 if pack_tokens == 1 else 60)
    plain = answered(backend(HFLM, model_of(kind), tokenizer), asked)
    ours = packed(model_of(kind), tokenizer, pack_tokens=pack_tokens)
    hook = Hook()
    ours.set_cache_hook(hook)
    found = answered(ours, asked)
    assert ours.fallback == ""
    assert ours.plans_whole
    assert apart(plain, found) < 1e-4
    assert [a[1] for a in found] == [a[1] for a in plain]
    assert sorted(hook.told) == sorted((r[0], a) for r, a in zip(asked, found, strict=True))
    unique = len(token_row([r[1] for r in asked], [r[2] for r in asked]))
    assert ours.computed == ours.limit == unique
    assert hook.commits == -(-unique // (pack_tokens or 512))
    assert ours.computed < 0.7 * sum(len(r[1]) + len(r[2]) - 1 for r in asked)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_kinds_of_attention_take_the_mask(kind: str, attention: str, tokenizer: Any) -> None:
    asked = requests(12, count=25)
    model = model_of(kind)
    model.set_attn_implementation(attention)
    plain = answered(backend(HFLM, model, tokenizer), asked)
    ours = packed(model, tokenizer, pack_tokens=60)
    assert apart(plain, answered(ours, asked)) < 1e-4
    assert ours.fallback == ""


def test_bfloat16_differs_by_its_rounding_alone(tokenizer: Any) -> None:
    """Against float32 numbers, packed answers are no further off than those of `hf`.

    A log-probability near -8 is rounded by up to 1/64 when stored; the rest is the model's.
    """
    asked = [r for r in requests(13) if len(r[2]) == 1]
    exact = answered(backend(HFLM, model_of("qwen2"), tokenizer), asked)
    model = model_of("qwen2").to(torch.bfloat16)
    plain = answered(backend(HFLM, model, tokenizer), asked)
    ours = packed(model, tokenizer, pack_tokens=50)
    found = answered(ours, asked)
    assert ours.fallback == ""
    assert 0 < apart(found, exact) < 1.5 * apart(plain, exact)


def test_the_order_of_requests_does_not_change_a_bit(tokenizer: Any) -> None:
    asked = requests(14)
    mixed = random.Random(1).sample(range(len(asked)), len(asked))
    ours = packed(model_of("qwen2"), tokenizer, pack_tokens=64)
    found = answered(ours, asked)
    assert answered(ours, [asked[k] for k in mixed]) == [found[k] for k in mixed]


def test_a_past_of_thousands_of_tokens(tokenizer: Any) -> None:
    rng = random.Random(2)
    model = model_of("llama")
    model.config.max_position_embeddings = 8192
    long = [rng.randrange(512) for _ in range(4_000)]
    asked: Requests = [
        ((str(k), "t"), [*long[:3_900], *long[k : k + 9]], long[k : k + 3]) for k in range(6)
    ]
    plain = answered(backend(HFLM, model, tokenizer), asked)
    ours = packed(model, tokenizer, pack_tokens=700)
    assert apart(plain, answered(ours, asked)) < 1e-4
    assert ours.computed == 3_900 + 6 * 11


def test_a_greedy_continuation_is_known_as_one(tokenizer: Any) -> None:
    model = model_of("qwen2").eval()
    context = list(range(5, 25))
    with torch.no_grad():
        made = model.generate(torch.tensor([context]), max_new_tokens=4, do_sample=False)[0]
    target = made[len(context) :].tolist()
    asked: Requests = [(("a", "b"), context, target), (("a", "c"), context, [*target[:3], 7])]
    for pack_tokens in (3, None):
        found = answered(packed(model, tokenizer, pack_tokens=pack_tokens), asked)
        assert [is_greedy for _, is_greedy in found] == [True, target[3] == 7]


def test_too_long_requests_are_cut_at_the_left_as_hf_does(tokenizer: Any) -> None:
    model = model_of("qwen2")
    long = [k % 500 for k in range(400)]
    asked: Requests = [((str(k), "t"), long[:k], [3, 4, 5]) for k in (200, 254, 255, 260, 400)]
    plain = answered(backend(HFLM, model, tokenizer), asked)
    assert apart(plain, answered(packed(model, tokenizer), asked)) < 1e-4


def test_texts_go_through_the_tokenizer_as_those_of_hf(tokenizer: Any) -> None:
    pairs = [("", "a word"), ("The boat", " sinks"), ("The boat", " floats "), ("The boat ", "is")]
    asked = [Instance("loglikelihood", {}, pair, 0) for pair in pairs]
    plain = backend(HFLM, model_of("qwen2"), tokenizer).loglikelihood(asked, disable_tqdm=True)
    ours = packed(model_of("qwen2"), tokenizer)
    assert apart(plain, ours.loglikelihood(asked, disable_tqdm=True)) < 1e-4


def test_adapters_are_part_of_the_model(tokenizer: Any) -> None:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = get_peft_model(model_of("qwen2"), config)
    asked = requests(5)
    plain = answered(backend(HFLM, model, tokenizer), asked)
    ours = packed(model, tokenizer)
    assert apart(plain, answered(ours, asked)) < 1e-4
    assert ours.fallback == ""
    assert ours._keeps_some


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_made_where_they_are_asked_for(kind: str, tokenizer: Any) -> None:
    model = model_of(kind)
    rows: list[int] = []
    model.lm_head.register_forward_hook(lambda *a: rows.append(a[2].shape[1]))
    ours = packed(model, tokenizer, pack_tokens=1_000)
    assert ours.fallback == ""
    rows.clear()
    asked: Requests = [((str(k), "t"), list(range(60)), [k, 3, 4]) for k in range(5)]
    answered(ours, asked)
    assert rows == [1 + 5 * 2]  # behind the context once, and inside every target


def test_rolling_texts_go_to_the_journal_one_by_one(tokenizer: Any) -> None:
    texts = ["A boat sinks. " * 40, "It floats.", "A cat sleeps."]
    asked = [Instance("loglikelihood_rolling", {}, (text,), 0) for text in texts]
    plain = backend(HFLM, model_of("llama"), tokenizer)
    expected = plain.loglikelihood_rolling(asked, disable_tqdm=True)
    ours = packed(model_of("llama"), tokenizer)
    assert ours.loglikelihood_rolling(asked) == pytest.approx(expected, abs=1e-3)

    class Rolling(Hook):
        def known(self, kind: str, request: Any) -> Any:
            return -5.0 if request == (texts[1],) else None

        def add_partial(self, kind: str, request: Any, answer: Any) -> None:
            self.told.append((kind, request))

    hook = Rolling()
    ours.set_cache_hook(hook)
    found = ours.loglikelihood_rolling(asked)
    assert found == pytest.approx([expected[0], -5.0, expected[2]], abs=1e-3)
    assert hook.told == [("loglikelihood_rolling", (texts[k],)) for k in (0, 2)]
    assert hook.commits >= 2


@pytest.mark.parametrize("value", ["-1", "0", "many", "1.5"])
def test_a_wrong_size_is_refused(value: str, tokenizer: Any) -> None:
    with pytest.raises(DataError, match="pack_tokens must be a whole number of 1 or more, got"):
        backend(HFPacked, model_of("qwen2"), tokenizer, pack_tokens=value)
