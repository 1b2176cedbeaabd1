"""The base: a small Qwen2 from scratch, with a tokenizer of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from oodrop.harness_ext.training import corpus
from oodrop.harness_ext.training.fit import GROUP, STATE, Rows, Schedule, Tell, fit
from oodrop.harness_ext.training.tokens import END, PAD, Row, row_of, train_tokenizer
from oodrop.perturbers.rng import item_generator
from oodrop.tasks.procedural import COMPACT

SCHEDULE = Schedule(steps=10000, batch=8, rate=1.5e-3, prompt_weight=0.1, muon=3e-3)
MODEL_TYPE = "llama"  # as it is written
_BASE_TEXTS, _ADAPTER_TEXTS, _NUMBER_TEXTS = 4000, 200, 1000  # of the tokenizer


def new_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Trained on texts of the base whose words are made up, and on a few of the adapters.

    So its pieces are syllables: the words of both halves are cut into them, and what is learnt of
    finding one again holds for all.
    """
    rng = item_generator(seed, "training", "tokenizer", "")
    # From the first half of the training, where few words are misspelt.
    examples = [corpus.pretraining_example(rng, 0.2, 1.0) for _ in range(_BASE_TEXTS)]
    docs = COMPACT.docs("train")[:_ADAPTER_TEXTS]
    examples += [corpus.adapter_example(doc, True, False, rng) for doc in docs]
    told = [f"user\n{example.prompt}\nassistant\n{example.reply}" for example in examples]
    # Each as often as a frequent syllable, so that every minute is a piece of its own, and every
    # digit after a blank.
    numbers = "".join([*(f":{n:02}" for n in range(60)), *(f" {n}" for n in range(10))])
    return train_tokenizer((*told, *(numbers for _ in range(_NUMBER_TEXTS))))


def new_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2ForCausalLM:
    """About 1.6 million parameters, drawn anew."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=160,
        intermediate_size=384,
        num_hidden_layers=5,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=1024,
        rope_theta=10000.0,
        tie_word_embeddings=True,
        initializer_range=0.05,
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
        bos_token_id=None,
    )
    return Qwen2ForCausalLM(config)


def pretraining_rows(tokenizer: PreTrainedTokenizerFast, seed: int, schedule: Schedule) -> Rows:
    """Groups of rows for `fit`, made when they are asked for."""
    kept: dict[int, list[Row]] = {}

    def rows(group: int) -> Sequence[Row]:
        if group not in kept:
            kept.clear()
            rng = item_generator(seed, "training", "text", str(group))
            progress = group * GROUP / schedule.steps
            count = schedule.batch * GROUP
            examples = [corpus.pretraining_example(rng, progress) for _ in range(count)]
            kept[group] = [row_of(tokenizer, example, rng) for example in examples]
        return kept[group]

    return rows


def train_base(
    folder: Path, seed: int, schedule: Schedule, device: str, tell: Tell, of: Mapping[str, object]
) -> None:
    """Train the base into ``folder``; goes on where it stopped. `of`: see `fit`."""
    tokenizer = new_tokenizer(seed)
    model = new_model(tokenizer, seed).to(device)
    fit(model, pretraining_rows(tokenizer, seed, schedule), schedule, folder / STATE, tell, of)
    as_llama(model).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def as_llama(model: Qwen2ForCausalLM) -> LlamaForCausalLM:
    """The same function of its input, as a Llama with biases.

    transformers cuts every text for a model of type qwen2 as Qwen2's own tokenizer does, whatever
    the file of the tokenizer says; a Llama's file it believes.
    """
    own = model.config
    config = LlamaConfig(
        vocab_size=own.vocab_size,
        hidden_size=own.hidden_size,
        intermediate_size=own.intermediate_size,
        num_hidden_layers=own.num_hidden_layers,
        num_attention_heads=own.num_attention_heads,
        num_key_value_heads=own.num_key_value_heads,
        max_position_embeddings=own.max_position_embeddings,
        rms_norm_eps=own.rms_norm_eps,
        rope_parameters=own.rope_parameters,
        tie_word_embeddings=own.tie_word_embeddings,
        initializer_range=own.initializer_range,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
        bos_token_id=own.bos_token_id,
        attention_bias=True,
    )
    new = LlamaForCausalLM(config)
    weights = dict(model.state_dict())
    for name, parameter in new.named_parameters():
        # The one bias that a Qwen2 has not.
        weights.setdefault(name, torch.zeros_like(parameter))
    new.load_state_dict(weights)
    return new
