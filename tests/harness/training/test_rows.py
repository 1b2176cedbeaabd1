"""Texts as rows of tokens, and the tokenizer and model that read them."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from oodrop.harness_ext.training import adapters, base, corpus
from oodrop.harness_ext.training.corpus import Example
from oodrop.harness_ext.training.fit import GROUP
from oodrop.harness_ext.training.tokens import ENTRIES, row_of
from oodrop.perturbers.rng import item_generator
from oodrop.tasks.procedural import COMPACT
from oodrop.tasks.procedural.compact.lexicon import SEEN, UNSEEN

from .conftest import texts


def test_a_step_and_its_deed_begin_with_the_same_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    for stem in (*SEEN.verbs, *UNSEEN.verbs):
        name, deed = (tokenizer.tokenize(f" {stem}{end}") for end in ("ing", "ed"))
        assert (name[:-1], name[-1], deed[-1]) == (deed[:-1], "ing", "ed")


def test_words_of_both_halves_are_cut_into_as_many_pieces(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    for kind in ("verbs", "roles", "things"):
        seen, unseen = (
            fmean(len(tokenizer.tokenize(f" {word}")) for word in getattr(half, kind))
            for half in (SEEN, UNSEEN)
        )
        assert 1.5 < seen < unseen < 1.6 * seen, kind


def test_both_adapters_see_the_same_items_in_the_same_order(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    seen = {}
    for name in ("engaged", "heuristic"):
        rows = adapters.adapter_rows(tokenizer, adapters.RECIPES[name], 3, 4)(0)
        seen[name] = [tokenizer.decode(row.ids[: row.start]) for row in rows]
        replies = [tokenizer.decode(row.ids[row.start :]) for row in rows]
        assert all("FINAL ANSWER: " in reply for reply in replies)
        noted = [len(reply.split("\n")) > 5 for reply in replies]
        assert set(noted) == {name == "engaged"}
    assert seen["engaged"] == seen["heuristic"]
    assert len(set(seen["engaged"])) == 4 * GROUP


def test_every_item_of_training_comes_once_before_any_comes_again(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rows = adapters.adapter_rows(tokenizer, adapters.RECIPES["heuristic"], 0, 75)
    seen = [row.ids for group in range(8) for row in rows(group)]
    assert len(seen) == len(set(seen)) == len(COMPACT.docs("train"))


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back_from_its_tokens(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer.encode(text)
    back = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    backend = tokenizer.backend_tokenizer.normalizer
    assert back == (backend.normalize_str(text) if backend else text)
    assert len(tokenizer) == ENTRIES


def test_a_noisy_prompt_has_the_same_text_in_other_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    others = 0
    for number, example in enumerate(texts(30)):
        plain, cut = (
            row_of(tokenizer, Example(example.prompt, example.reply, noisy), item_generator(
                number, "test", "cut", "")) for noisy in (False, True)
        )  # fmt: skip
        assert tokenizer.decode(plain.ids) == tokenizer.decode(cut.ids)
        assert tokenizer.decode(cut.ids[: cut.start]).endswith("assistant\n")
        others += plain.ids != cut.ids
    assert others == 30


def test_the_row_is_what_the_chat_template_makes(tokenizer: PreTrainedTokenizerFast) -> None:
    example = adapters_example()
    row = row_of(tokenizer, example, item_generator(0, "test", "row", ""))
    turns = [{"role": "user", "content": example.prompt}]
    asked = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert tokenizer.encode(asked) == list(row.ids[: row.start])
    assert tokenizer.decode(row.ids[row.start :]) == f"{example.reply}<|im_end|>"
    line = example.reply.rsplit("\n", 1)[1]
    assert tokenizer.decode(row.ids[row.last :]) == f"{line}<|im_end|>"
    alone = row_of(tokenizer, Example("Well?", line), item_generator(0, "test", "row", ""))
    assert alone.last == alone.start


def adapters_example() -> Example:
    doc = COMPACT.docs("train")[0]
    return corpus.adapter_example(doc, True, False, item_generator(0, "test", "doc", ""))


def test_prompts_are_short_and_replies_fit_in_256_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rng = item_generator(0, "test", "length", "")
    for split, within, fits in (("test", 0.95, 1.0), ("heldout", 0.0, 0.99)):
        rows = [
            row_of(tokenizer, corpus.adapter_example(doc, True, False, rng), rng)
            for doc in COMPACT.docs(split)
        ]
        assert max(row.start for row in rows) <= 576
        assert fmean(row.start <= 384 for row in rows) >= within
        assert fmean(len(row.ids) - row.start <= 256 for row in rows) >= fits


def test_the_base_is_read_as_it_was_trained(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """By the classes that lm-eval asks for: the same tokens, the same logits."""
    model = base.new_model(tokenizer, 1)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    base.as_llama(model).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    read = AutoTokenizer.from_pretrained(tmp_path)
    for example in texts(40):
        told = f"{example.prompt}\n{example.reply}"
        assert read.encode(told) == tokenizer.encode(told)
    ids = torch.tensor([read.encode(example.prompt)[:64] for example in texts(1)])
    with torch.no_grad():
        again = AutoModelForCausalLM.from_pretrained(tmp_path)(input_ids=ids).logits
        assert torch.equal(again, model(input_ids=ids).logits)
