"""The probability score: right against a direct log-softmax, through what the backends offer."""

from __future__ import annotations

import importlib.metadata
import math
import sys
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from lm_eval.models.huggingface import HFLM
from torch.nn import functional

from oodrop import DataError, OodropError, RunError
from oodrop.harness_ext.models import Oracle
from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.harness_ext.reference.answertokens import (
    AnswerTokens,
    answer_tokens,
    log_probabilities,
    why_not,
)
from oodrop.harness_ext.reference.score import Question, lead_in, question, scores
from oodrop.harness_ext.runner.journal import Journal
from oodrop.tasks import get_task

PROMPT = "Which of these floats on water?\nOptions:\n- ice\n- a stone\n"
CHAT = f"<|im_start|>user\n{PROMPT}<|im_end|>\n<|im_start|>assistant\n"
SPLICES = [
    ("It floats.\nANSWER:", "ice"),
    ("It floats.\nANSWER: ", "ice"),
    ("Water is denser.\nANSWER: ", "water"),
    ("Water is denser.\nANSWER: the wat", "er and ice"),
    ("ANSWER: ", "zażółć 氷 ice"),
]
MERGED = ("water", "er and ice")  # the end of the context and their beginning are one token


@pytest.fixture(scope="module", params=[HFLM, HFPacked], ids=["hf", "hf-packed"])
def lm(tiny_model: Path, request: pytest.FixtureRequest) -> HFLM:
    return loaded(request.param, tiny_model)


def loaded(kind: type[HFLM], folder: Path, **more: Any) -> HFLM:
    return kind(pretrained=str(folder), device="cpu", dtype="float32", batch_size=3, **more)


def characters(lm: HFLM, tokens: list[int]) -> list[tuple[int, int]]:
    """Which bytes of the text each token stands for, from the tokens' own bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    # The alphabet of byte-level BPE, written out as GPT-2 has it; of special tokens the text.
    table = {chr(b): b for b in plain} | {chr(256 + k): b for k, b in enumerate(others)}
    names = lm.tokenizer.convert_ids_to_tokens(tokens)
    sizes = [len(bytes(table[c] for c in name)) for name in names]
    ends = [0, *accumulate(sizes)]
    return list(pairwise(ends))


def direct(lm: HFLM, context: str, answer: str) -> list[float]:
    """Log-softmax on the ids of the whole text, at the tokens that share a byte with the answer."""
    tokens = lm.tokenizer(context + answer)["input_ids"]
    spans = characters(lm, tokens)
    start = len(context.encode())
    with torch.no_grad():
        logits = lm.model(torch.tensor([tokens])).logits[0].double()
    chances = functional.log_softmax(logits, dim=-1)
    return [
        float(chances[k - 1, token])
        for k, (token, (_, end)) in enumerate(zip(tokens, spans, strict=True))
        if end > start
    ]


def found_by(lm: Any, *texts: tuple[str, str]) -> list[tuple[float, ...]]:
    asked = [answer_tokens(lm, context, answer, "here") for context, answer in texts]
    return log_probabilities(lm, asked, None, lambda there, needed: None)


@pytest.mark.parametrize("prompt", [PROMPT, CHAT], ids=["plain", "chat"])
@pytest.mark.parametrize(("before", "answer"), SPLICES)
def test_the_numbers_of_a_direct_log_softmax(
    lm: HFLM, prompt: str, before: str, answer: str
) -> None:
    context = prompt + before
    (found,) = found_by(lm, (context, answer))
    wanted = direct(lm, context, answer)
    assert found == pytest.approx(wanted, abs=1e-4)
    assert [math.exp(v) for v in found] == pytest.approx([math.exp(v) for v in wanted], abs=1e-6)
    cut = len((context).encode())
    tokens = lm.tokenizer(context + answer)["input_ids"]
    merged = any(a < cut < b for a, b in characters(lm, tokens))
    assert merged == (answer in MERGED)


def test_plain_and_debiased_of_a_logged_sample(lm: HFLM) -> None:
    sample = logged(
        lm, "everyday_open", ["So.\nANSWER: {wrong}", "I think: {right}", "\nANSWER:{right}"]
    )
    spec = get_task("everyday_open")
    asked = question(spec, sample, "here", plain=False)
    found = found_by(lm, *((context, asked.reference) for context in asked.asked))
    prompt = sample["arguments"]["gen_args_0"]["arg_0"]
    right = asked.reference

    def mean(context: str) -> float:
        return sum(map(math.exp, direct(lm, context, right))) / len(direct(lm, context, right))

    first, third, base = (mean(prompt + t) for t in ("So.\nANSWER: ", "\nANSWER:", "ANSWER: "))
    wanted = {
        "reference_probability": (max(0, first - base) + 0 + max(0, third - base)) / 3,
        "reference_probability_plain": (first + 0 + third) / 3,
        "reference_probability_without_reasoning": base,
    }
    assert scores(asked, found) == pytest.approx(wanted, abs=1e-7)
    assert len({first, third, base}) == 3


def logged(lm: Any, task: str, replies: list[str], index: int = 3) -> dict[str, Any]:
    spec = get_task(task)
    doc = spec.docs(spec.eval_split)[index]
    item = spec.item(doc)
    words = {"right": item.answer, "wrong": next(a for a in item.answers if a != item.answer)}
    prompt = lm.apply_chat_template([{"role": "user", "content": spec.prompt(doc)}])
    return {
        "doc": doc,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {}}},
        "resps": [[reply.format(**words) for reply in replies]],
    }


# --- how the backend encodes ------------------------------------------------------------------


@pytest.fixture
def with_bos(tiny_model: Path) -> HFLM:
    """A tokenizer that puts a BOS before every text, as Llama's does."""
    from tokenizers.processors import ByteLevel, Sequence, TemplateProcessing

    lm = loaded(HFLM, tiny_model)
    lm.tokenizer.bos_token = "<|endoftext|>"  # noqa: S105  # a token of text, no secret
    bos = TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
    lm.tokenizer.backend_tokenizer.post_processor = Sequence([ByteLevel(trim_offsets=True), bos])
    return lm


def test_one_bos_whether_the_prompt_brings_it_or_not(with_bos: HFLM) -> None:
    plain = answer_tokens(with_bos, PROMPT + "ANSWER: ", "ice", "here")
    brought = answer_tokens(with_bos, "<|endoftext|>" + PROMPT + "ANSWER: ", "ice", "here")
    assert plain == brought
    assert plain.tokens.count(0) == 1
    assert plain.tokens[0] == 0
    with_bos.add_bos_token = False
    without = answer_tokens(with_bos, PROMPT + "ANSWER: ", "ice", "here")
    assert without.tokens == plain.tokens[1:]


def test_offsets_without_the_space_score_the_same_tokens(tiny_model: Path, with_bos: HFLM) -> None:
    """Tokenizers differ in whether a word's offsets include the space before it."""
    with_bos.add_bos_token = False
    wide = loaded(HFLM, tiny_model)
    for before, answer in SPLICES:
        context = PROMPT + before
        ours = answer_tokens(wide, context, answer, "here")
        assert answer_tokens(with_bos, context, answer, "here") == ours


def test_too_long_texts_lose_their_beginning(tiny_model: Path, lm: HFLM) -> None:
    short = loaded(type(lm), tiny_model, max_length=40)
    context = PROMPT * 5 + "ANSWER: "
    whole = answer_tokens(lm, context, "ice", "here")
    cut = answer_tokens(short, context, "ice", "here")
    assert (cut.tokens, cut.count) == (whole.tokens[-39:], whole.count)
    found = log_probabilities(short, [cut], None, lambda there, needed: None)
    with torch.no_grad():
        chances = short.model(torch.tensor([cut.tokens])).logits[0].double().log_softmax(-1)
    places = range(39 - cut.count, 39)
    assert found[0] == pytest.approx(
        [float(chances[k - 1, cut.tokens[k]]) for k in places], abs=1e-4
    )
    with pytest.raises(DataError, match="line 7, item x: the answer is .* the model reads 38"):
        answer_tokens(short, PROMPT, PROMPT * 3, "line 7, item x")


def test_a_tokenizer_that_loses_characters_is_refused(lm: HFLM, monkeypatch: Any) -> None:
    whole = lm.tokenizer

    def loses(text: str, **more: Any) -> Any:
        found = whole(text, **more)
        return {**found, "offset_mapping": [(a, a) for a, _ in found["offset_mapping"]]}

    monkeypatch.setattr(lm, "tok_encode", lambda text: whole(text)["input_ids"])
    monkeypatch.setattr(lm, "tokenizer", loses)
    with pytest.raises(OodropError, match="here: the tokenizer does not account for every char"):
        answer_tokens(lm, PROMPT, "ice", "here")
    monkeypatch.setattr(lm, "tok_encode", lambda text: [1, *whole(text)["input_ids"]])
    with pytest.raises(OodropError, match="here: the tokenizer gives other tokens than the model"):
        answer_tokens(lm, PROMPT, "ice", "here")


def test_who_cannot(lm: HFLM) -> None:
    assert why_not(lm) == ""
    assert why_not(Oracle()) == "it gives no log-likelihoods of tokens"
    offers = {"tok_encode": id, "_loglikelihood_tokens": id, "set_cache_hook": id}
    assert "decoder-only" in why_not(SimpleNamespace(backend="seq2seq", **offers))
    for tokenizer in (None, lambda text: {"input_ids": []}, lambda text, **more: {}):
        found = why_not(SimpleNamespace(tokenizer=tokenizer, **offers))
        assert found == "its tokenizer does not say which characters a token stands for"


# --- vLLM: lm-eval's own adapter, with the tiny model in the engine's place --------------------


@pytest.fixture
def vllm(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("vllm", "vllm.lora", "vllm.lora.request", "vllm.tokenizers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name in ("LLM", "SamplingParams", "TokensPrompt"):
        setattr(sys.modules["vllm"], name, object)
    sys.modules["vllm.lora.request"].LoRARequest = object  # type: ignore[attr-defined]
    sys.modules["vllm.tokenizers"].get_tokenizer = None  # type: ignore[attr-defined]
    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "0.8.0" if name == "vllm" else real(name)
    )
    from lm_eval.models.vllm_causallms import VLLM

    inner = loaded(HFLM, tiny_model)

    class Engineless(VLLM):  # type: ignore[misc]
        """No engine: prompt log-probabilities come from the tiny model, as vLLM shapes them."""

        max_length = 300

        def __init__(self) -> None:
            self.tokenizer, self.add_bos_token = inner.tokenizer, None
            self.custom_prefix_token_id, self.batch_size = None, 2
            self.set_cache_hook(None)

        def _model_generate(self, requests: Any, generate: bool = False, **more: Any) -> Any:
            assert not generate
            return [SimpleNamespace(prompt_logprobs=self.prompt(tokens)) for tokens in requests]

        def prompt(self, tokens: list[int]) -> list[Any]:
            assert len(tokens) < self.max_length
            with torch.no_grad():
                chances = inner.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
            own = [SimpleNamespace(logprob=float(chances[k - 1, t])) for k, t in enumerate(tokens)]
            return [None, *({t: p} for t, p in zip(tokens[1:], own[1:], strict=True))]

    yield Engineless()
    sys.modules.pop("lm_eval.models.vllm_causallms")


def test_the_interface_of_vllm_gives_the_same(vllm: Any, tiny_model: Path) -> None:
    assert why_not(vllm) == ""
    texts = [(p + before, answer) for p in (PROMPT, CHAT) for before, answer in SPLICES]
    hf = loaded(HFLM, tiny_model)
    for ours, theirs in zip(found_by(vllm, *texts), found_by(hf, *texts), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
    long = answer_tokens(vllm, PROMPT * 40, "ice", "here")
    assert len(long.tokens) == 299
    (found,) = log_probabilities(vllm, [long], None, lambda there, needed: None)
    assert len(found) == long.count


# --- the journal and the arithmetic ------------------------------------------------------------


class Counting:
    """A model that gives log(1/2) and counts what it is asked."""

    def __init__(self, value: float = math.log(0.5)) -> None:
        self.value, self.asked = value, 0
        self.hook: Any = None

    def set_cache_hook(self, hook: Any) -> None:
        self.hook = hook

    def _loglikelihood_tokens(self, requests: Any, disable_tqdm: bool) -> Any:
        assert disable_tqdm
        for name, before, token in requests:
            assert before
            assert len(token) == 1
            self.asked += 1
            if self.asked == 5:
                raise KeyboardInterrupt
            self.hook.add_partial("loglikelihood", name, (self.value, True))
        return [(self.value, True)] * len(requests)


def test_what_is_journalled_is_not_asked_again(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    asked = [
        AnswerTokens((1, 2, 3, 4), 3),
        AnswerTokens((1, 2, 3, 5), 2),
        AnswerTokens((7, 8, 9), 2),
    ]
    journal, lm = Journal(tmp_path / "j.sqlite"), Counting()
    with pytest.raises(KeyboardInterrupt):  # 1 2|3 is asked once: six questions, four answers
        log_probabilities(lm, asked, journal, lambda *now: told.append(now))
    assert told == [(1, 6), (2, 6), (3, 6), (4, 6)]
    again = Counting()
    found = log_probabilities(again, asked, journal, lambda *now: told.append(now))
    assert again.asked == 2
    assert told[4:] == [(5, 6), (6, 6), (6, 6)]
    assert [len(own) for own in found] == [3, 2, 2]
    assert log_probabilities(Counting(), asked, journal, lambda *now: None) == found
    journal.close()


@pytest.mark.parametrize("value", [math.nan, 0.5])
def test_what_is_no_log_probability_is_refused(value: float, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    with pytest.raises(RunError, match="as the log-probability of a token"):
        log_probabilities(Counting(value), [AnswerTokens((1, 2), 1)], journal, lambda *now: None)
    journal.close()


def test_replies_are_averaged_and_one_without_an_answer_counts_0() -> None:
    half, tenth, low = [math.log(0.5)] * 2, [math.log(0.1), -math.inf], [math.log(0.2)]
    asked = Question("x", "no", ("a", None, "b"), "c")
    assert asked.asked == ["a", "b", "c"]
    assert scores(asked, [half, tenth, low]) == pytest.approx(
        {
            "reference_probability": (0.3 + 0 + 0) / 3,
            "reference_probability_plain": (0.5 + 0 + 0.05) / 3,
            "reference_probability_without_reasoning": 0.2,
        }
    )
    none = Question("x", "no", (None, None), "c")
    assert none.asked == []
    assert scores(none, []) == {"reference_probability": 0.0, "reference_probability_plain": 0.0}
    plain = Question("x", "no", ("a",), None)
    assert plain.asked == ["a"]
    assert scores(plain, [half]) == pytest.approx({"reference_probability_plain": 0.5})


def test_the_reference_is_said_as_the_question_asks() -> None:
    spec = get_task("procedural")
    doc = {**spec.docs("test")[0], "labels": ["no", "yes"], "label": "non-compliant", "gold": 1}
    sample = {
        "doc": doc,
        "arguments": {"gen_args_0": {"arg_0": "P "}},
        "resps": [["Hm.\nFINAL ANSWER: no", "FINAL ANSWER: compliant", "final answer: **Yes** or"]],
    }
    asked = question(spec, sample, "here", plain=False)
    assert asked.reference == "yes"
    contexts = ("P Hm.\nFINAL ANSWER: ", None, "P final answer: **")
    assert (asked.contexts, asked.unreasoned) == (contexts, "P FINAL ANSWER: ")
    assert question(spec, sample, "here", plain=True).unreasoned is None
    choice = get_task("everyday_open")
    assert lead_in(choice, choice.item(choice.docs("test")[0])) == "ANSWER: "


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arguments": {"gen_args_0": {"arg_0": [{"role": "user"}]}}}, "no prompt in text"),
        ({"arguments": {}}, "no prompt in text"),
        ({"resps": [[["-1.5", "True"]]]}, "no replies in text"),
        ({"resps": [[]]}, "no replies in text"),
        ({"resps": [["a"], ["b"]]}, "no prompt in text"),
    ],
)
def test_what_is_no_reply(change: dict[str, Any], message: str) -> None:
    sample = {"doc": {}, "arguments": {"gen_args_0": {"arg_0": "P"}}, "resps": [["a"]], **change}
    with pytest.raises(DataError, match=f"s.jsonl, line 3: the sample holds {message}"):
        question(get_task("procedural"), sample, "s.jsonl, line 3", plain=False)
