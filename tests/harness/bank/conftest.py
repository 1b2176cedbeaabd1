"""Tiny models that make banks, and what the tests of banks share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from oodrop.harness_ext.bank.maker import Recipe, make_bank
from oodrop.harness_ext.bank.models import Decoding
from oodrop.harness_ext.cli.app import run
from oodrop.perturbers import Variant, perturb
from oodrop.perturbers.banks import PARAPHRASE, Bank, read_bank
from oodrop.tasks import get_task

ANSWERS = ("Which of them is it?", "What would that be?", "Is it this thing?", "What then?")
QUICK = Decoding(batch_size=4, max_new_tokens=24)


def teach(model: Any, batches: Callable[[int], Mapping[str, Any]], steps: int) -> None:
    """A few steps of training: enough for short answers that come to an end."""
    import torch

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for step in range(steps):
        optimizer.zero_grad()
        model(**batches(step)).loss.backward()
        optimizer.step()
    model.eval()


@pytest.fixture(scope="session")
def chat_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Qwen2, taught to reply with one of `ANSWERS`."""
    import torch
    from transformers import AutoTokenizer, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("chat") / "tiny-chat"
    shutil.copytree(tiny_model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = Qwen2ForCausalLM.from_pretrained(folder)
    rows = [
        tokenizer(f"<|im_start|>assistant\n{text}<|im_end|>", return_tensors="pt")["input_ids"]
        for text in ANSWERS
    ]
    torch.manual_seed(1)
    teach(model, lambda k: {"input_ids": rows[k % 4], "labels": rows[k % 4]}, 120)
    model.save_pretrained(folder)
    return folder


def word_tokenizer(special: dict[str, str]) -> Any:
    """A WordPiece tokenizer of the words of the everyday set."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    spec = get_task("everyday")
    texts = " ".join(spec.prompt(doc) for doc in spec.docs("train")[:200]).lower()
    words = sorted({w for w in texts.replace("?", " ? ").split() if w.isalpha()} | {"?", "##s"})
    vocabulary = {token: i for i, token in enumerate([*special.values(), *words])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


@pytest.fixture(scope="session")
def mask_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised BERT of one layer over whole words."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("mask") / "tiny-bert"
    tokenizer = word_tokenizer({"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"})
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(folder)
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5, taught to write one sentence whatever it reads."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    folder = tmp_path_factory.mktemp("t5") / "tiny-t5"
    tokenizer = word_tokenizer({"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=1,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    read = tokenizer("what does a person use ?", return_tensors="pt")["input_ids"]
    said = tokenizer("what does a place need ? </s>", return_tensors="pt")["input_ids"]
    teach(model, lambda _: {"input_ids": read, "labels": said}, 60)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def paraphrase(chat_model: Path) -> Recipe:
    return Recipe(PARAPHRASE, str(chat_model), decoding=QUICK)


def make(recipe: Recipe, path: Path, limit: int | None = 10, segment: str = "question") -> Bank:
    return make_bank("everyday", segment, limit, recipe, path, lambda there, needed: None)


def accepted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rewording of the bank is reviewed with a yes, through the command line."""
    ratings = path.with_suffix(".csv")
    rows = [f"{e.sha256},y,yes" for e in read_bank(path).entries.values() if e.text]
    ratings.write_text("\n".join(["sha256,kept,readable", *rows]), encoding="utf-8")
    assert run(["bank", "review", str(path), "--from", str(ratings)]) == 0
    monkeypatch.setenv("OODROP_BANKS", str(path.parent))


def outcomes(variant: Variant, count: int) -> Iterator[Any]:
    spec = get_task("everyday")
    for doc in spec.docs("test")[:count]:
        yield perturb(spec.item(doc), variant)
