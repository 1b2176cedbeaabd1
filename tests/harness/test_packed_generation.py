"""`hf-packed` generates what lm-eval's own `hf` does, from fewer tokens."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from scipy.stats import chisquare
from transformers import (
    PreTrainedModel,
)

from oodrop import DataError
from oodrop.harness_ext.packed import probe
from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.harness_ext.packed.tokenrow import token_row
from oodrop.tasks import get_task

from .generating import asked, texts
from .tinymodels import FALLBACKS, KINDS, backend, enlarged, model_of, replies


def narrowest(model: PreTrainedModel, tokenizer: Any, prompt: str, tokens: int) -> float:
    """Smallest lead of a greedy token over the second."""
    given = tokenizer(prompt, return_tensors="pt")
    made = model.generate(
        **given, max_new_tokens=tokens, do_sample=False, output_logits=True,
        return_dict_in_generate=True, pad_token_id=0,
    )  # fmt: skip
    first, second = torch.stack(made.logits).topk(2).values.unbind(-1)
    return float((first - second).min())


def flips(model: Any, tokenizer: Any, requests: Any, ours: Any, theirs: Any) -> int:
    """Replies that differ, each of which must be at a tie."""
    count = 0
    for request, mine, other in zip(requests, ours, theirs, strict=True):
        if mine != other:
            count += 1
            assert narrowest(model, tokenizer, request.args[0], 12) < 1e-4
    return count


@pytest.mark.parametrize("batch_size", [1, 2, 4, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_random_prompts_get_the_replies_of_hf(kind: str, batch_size: int, tokenizer: Any) -> None:
    model, requests = model_of(kind), asked(texts(batch_size, 24), max_gen_toks=8)
    theirs = replies(HFLM, model, tokenizer, requests, batch_size=batch_size)
    lm = backend(HFPacked, model, tokenizer, batch_size=batch_size)
    ours = lm.generate_until(requests, disable_tqdm=True)
    assert lm.generation_fallback == ""
    assert flips(model, tokenizer, requests, ours, theirs) == 0
    assert len(set(ours)) > 7  # they hang on the prompts
    prompts = [tokenizer(r.args[0]).input_ids for r in requests]
    assert lm.prefill_limit == len(token_row(prompts, [[0]] * len(prompts)))
    # Once more goes what a prompt ends with and another goes on from: the short one and a stem.
    assert lm.prefill_limit <= lm.prefilled <= lm.prefill_limit + 2
    assert lm.prefilled < 0.5 * sum(map(len, prompts))


@cache
def free_text(model: PreTrainedModel, tokenizer: Any) -> str:
    (text,) = replies(HFLM, model, tokenizer, asked(["12 must"], until=[], max_gen_toks=20))
    return text


@pytest.mark.parametrize("place", ["a token", "tokens", "inside tokens", "two", "nowhere"])
def test_replies_end_where_those_of_hf_do(place: str, tokenizer: Any) -> None:
    model = model_of("llama")
    text = free_text(model, tokenizer)
    pieces = [tokenizer.decode([t]) for t in tokenizer(text).input_ids]
    assert all(len(p) > 0 for p in pieces)
    longer = [a[-1] + b[0] for a, b in pairwise(pieces[3:])]
    until = {
        "a token": [pieces[4]],
        "tokens": ["".join(pieces[4:6])],
        "inside tokens": longer[:1],
        "two": [pieces[7], pieces[5]],
        "nowhere": ["\n\n"],
    }[place]
    requests = asked(["12 must", *texts(5, 12)], until=until, max_gen_toks=20)
    theirs = replies(HFLM, model, tokenizer, requests, batch_size=1)
    ours = replies(HFPacked, model, tokenizer, requests)
    assert ours == theirs
    assert (ours[0] == text) == (place == "nowhere")


@pytest.mark.parametrize(
    "settings",
    [
        {"max_gen_toks": 1},
        {"max_gen_toks": None, "max_new_tokens": 5},
        {"repetition_penalty": 1.3},
        {"temperature": 0.0},
        {"do_sample": False, "temperature": 0.7},
        {"until": "yes"},
    ],
)
def test_settings_mean_what_they_mean_to_hf(settings: dict[str, Any], tokenizer: Any) -> None:
    model, requests = model_of("qwen2"), asked(texts(8, 12), **settings)
    before = [dict(r.args[1]) for r in requests]
    lm = backend(HFPacked, model, tokenizer)
    theirs = replies(HFLM, model, tokenizer, requests, batch_size=1)
    assert lm.generate_until(requests, disable_tqdm=True) == theirs
    assert lm.generation_fallback == ""
    assert [r.args[1] for r in requests] == before


def test_settings_are_kept_apart(tokenizer: Any) -> None:
    model = model_of("gpt2")
    pairs = zip(asked(texts(1, 9), max_gen_toks=3), asked(texts(1, 9)), strict=True)
    requests = [request for pair in pairs for request in pair]
    theirs = replies(HFLM, model, tokenizer, requests)
    assert replies(HFPacked, model, tokenizer, requests) == theirs


def test_what_is_too_long_is_cut_at_the_left(tokenizer: Any) -> None:
    model = model_of("gpt2")
    rng = random.Random(4)
    long = " ".join(rng.choices(["visit", "signed", "before", "after", "yes", "no"], k=400))
    requests = asked([long, long[300:], long[-900:], long[-400:], "yes"])
    lengths = [len(tokenizer(r.args[0]).input_ids) for r in requests]
    assert lengths[2] > 244 > lengths[3]
    theirs = replies(HFLM, model, tokenizer, requests, batch_size=1)
    lm = backend(HFPacked, model, tokenizer)
    assert lm.generate_until(requests, disable_tqdm=True) == theirs
    assert theirs[0] == theirs[2]
    assert lm.prefilled == 244 + lengths[3] + 1 + 1  # three prompts end alike: one


def test_a_reply_as_long_as_the_context_and_a_prompt_of_nothing_are_refused(tokenizer: Any) -> None:
    lm = backend(HFPacked, model_of("llama"), tokenizer)
    with pytest.raises(DataError, match="max_gen_toks must be below the 256 tokens .*, got 256"):
        lm.generate_until(asked(["yes"], max_gen_toks=256))
    with pytest.raises(DataError, match="a prompt must have at least one token, got ''"):
        lm.generate_until(asked([""]))
    assert lm.generate_until([]) == []


@pytest.mark.parametrize("end", [316, " ", None])
def test_thoughts_are_cut_off_as_hf_does(end: int | str | None, tokenizer: Any) -> None:
    model, requests = model_of("llama"), asked(texts(3, 20))
    made = replies(HFLM, model, tokenizer, requests)
    if isinstance(end, int):  # the commonest token of the replies
        ((end, _),) = Counter(t for m in made for t in tokenizer(m).input_ids).most_common(1)
    theirs = replies(HFLM, model, tokenizer, requests, think_end_token=end)
    assert replies(HFPacked, model, tokenizer, requests, think_end_token=end) == theirs
    assert (theirs == made) == (end is None)


def test_the_first_token_and_an_adapter_are_as_in_hf(tokenizer: Any) -> None:
    from peft import LoraConfig, get_peft_model

    requests = asked(texts(6, 12))
    plain = replies(HFPacked, model_of("qwen2"), tokenizer, requests)
    config = LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = get_peft_model(model_of("qwen2"), config).eval()
    lm = backend(HFPacked, model, tokenizer, add_bos_token=True)
    ours = lm.generate_until(requests, disable_tqdm=True)
    assert lm.generation_fallback == ""
    assert ours == replies(HFLM, model, tokenizer, requests, add_bos_token=True)
    assert ours != plain


def test_a_model_whose_configuration_names_no_end_ends_as_in_a_batch_of_one(tokenizer: Any) -> None:
    model = model_of("llama")
    model.generation_config.eos_token_id = None
    with torch.no_grad():
        model.lm_head.weight[2] *= 3  # ends are common
    requests = asked(texts(7, 16))
    ours = replies(HFPacked, model, tokenizer, requests)
    assert ours == replies(HFLM, model, tokenizer, requests, batch_size=1)
    assert ours != replies(HFLM, model, tokenizer, requests)  # goes on for the sake of others


@pytest.mark.filterwarnings("default")  # of the libraries, about these models
@pytest.mark.parametrize("family", FALLBACKS)
def test_other_families_answer_as_hf_and_say_why(
    family: str, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    make, reason = FALLBACKS[family]
    torch.manual_seed(3)
    model, requests = enlarged(make()), asked(texts(2, 9), max_gen_toks=5)
    more = {"backend": "seq2seq"} if family == "t5" else {}
    theirs = replies(HFLM, model, tokenizer, requests, **more)
    lm = backend(HFPacked, model, tokenizer, **more)
    assert lm.generate_until(requests, disable_tqdm=True) == theirs
    assert lm.generation_fallback.startswith(reason)
    assert f"hf-packed generates as hf: {reason}" in caplog.text
    assert lm.prefilled == lm.prefill_limit == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_beams": 2}, "the setting num_beams may make a reply depend on its batch"),
        ({"max_length": 12}, "the setting max_length may make a reply depend on its batch"),
    ],
)
def test_settings_that_look_at_the_batch_are_left_to_hf(
    change: dict[str, Any], reason: str, tokenizer: Any
) -> None:
    model = model_of("llama")
    plain, changed = asked(texts(2, 6)), asked(["yes", "no yes", "12"], **change)
    lm = backend(HFPacked, model, tokenizer)
    found = lm.generate_until([*plain, *changed], disable_tqdm=True)
    assert found[: len(plain)] == replies(HFLM, model, tokenizer, plain)
    assert found[len(plain) :] == replies(HFLM, model, tokenizer, changed)
    assert lm.generation_fallback == reason
    assert lm.prefilled > 0


def test_a_configuration_that_asks_for_a_search_is_left_to_hf(tokenizer: Any) -> None:
    model = model_of("llama")
    model.generation_config.num_beams = 2
    lm = backend(HFPacked, model, tokenizer)
    requests = asked(texts(2, 6))
    assert lm.generate_until(requests) == replies(HFLM, model, tokenizer, requests)
    assert lm.generation_fallback == "its generation_config asks for a search or a cache of its own"


@pytest.mark.parametrize("wrong", ["cache", "nothing"])
def test_a_model_that_reads_a_cache_otherwise_is_found_out(
    wrong: str, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, join = model_of("llama"), probe.joined

    def joined(rows: Any, width: int) -> Any:
        found = join(rows, width)
        for layer in found.layers:
            if wrong == "cache":
                layer.keys[1] = layer.keys[1].flip(-2)
        return found

    monkeypatch.setattr(probe, "joined", joined)
    lm = backend(HFPacked, model, tokenizer)
    requests = asked(texts(2, 6))
    assert lm.generate_until(requests) == replies(HFLM, model, tokenizer, requests)
    said = "small prompts gave logits that differ by"
    assert lm.generation_fallback.startswith(said) == (wrong == "cache")


def test_what_is_drawn_follows_the_chances_of_the_model(tokenizer: Any) -> None:
    model, k = model_of("llama"), 200
    prompt = texts(1)[5]
    requests = asked(
        [prompt] * k, do_sample=True, temperature=0.15, top_k=0, max_gen_toks=1, until=[]
    )
    lm = backend(HFPacked, model, tokenizer, batch_size=16)
    torch.manual_seed(11)
    drawn = Counter(lm.generate_until(requests, disable_tqdm=True))
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        chances = (model(ids).logits[0, -1] / 0.15).softmax(-1)
    expected: dict[str, float] = {}
    for token, chance in enumerate(chances.tolist()):
        text = tokenizer.decode([token], skip_special_tokens=True)
        expected[text] = expected.get(text, 0.0) + k * chance
    often = [text for text, count in expected.items() if count >= 5]
    rare = k - sum(expected[text] for text in often)
    seen = [drawn[text] for text in often]
    assert len(often) > 5
    assert chisquare([*seen, k - sum(seen)], [*(expected[t] for t in often), rare]).pvalue > 0.01
    assert lm.prefilled == ids.shape[1] - 1 + k  # the beginning once
    assert lm.prefill_limit == ids.shape[1]


def test_draws_hang_on_the_seed_and_on_their_batch(tokenizer: Any) -> None:
    model = model_of("llama")
    requests = asked(["yes no"] * 9, do_sample=True, temperature=2.0)

    def drawn(seed: int) -> list[str]:
        torch.manual_seed(seed)
        return replies(HFPacked, model, tokenizer, requests)

    first = drawn(1)
    assert drawn(1) == first
    assert len({*first, *drawn(2)}) == 18
    lm = backend(HFPacked, model, tokenizer)
    torch.manual_seed(1)
    assert lm.generate_until(requests) != lm.generate_until(requests)  # a call moves the seed on


@pytest.mark.usefixtures("own_index_only")
def test_a_task_of_free_form_has_the_samples_of_hf(tiny_model: Path) -> None:
    folder = get_task("procedural").folder / "lm_eval"
    names = ("oodrop__canonical__procedural", "oodrop__ordering_fact_order__procedural")
    found = []
    for kind in (HFLM, HFPacked):
        lm = kind(pretrained=str(tiny_model), device="cpu", dtype="float32", batch_size=4)
        results: Any = simple_evaluate(
            model=lm,
            tasks=[str(folder / f"{name}.yaml") for name in names],
            task_manager=TaskManager(include_defaults=False),
            limit=10,
            bootstrap_iters=0,
            log_samples=True,
            gen_kwargs={"max_gen_toks": 16},
        )
        found.append(results["samples"])
    assert found[0] == found[1]
    assert [len(found[0][name]) for name in names] == [10, 10]
    assert lm.generation_fallback == ""
    assert lm.prefill_limit <= lm.prefilled <= lm.prefill_limit + 2
