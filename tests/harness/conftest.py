"""A tiny model and a task of a user's own on disk, a silent reporter, and fewer documents."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partialmethod
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from oodrop.harness_ext import perturbed
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.tasks import get_task
from oodrop.tasks.spec import Doc, TaskSpec

from ..own import rows, write_lines


class Silent:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.last = (0, 0)

    def message(self, text: str) -> None:
        self.messages.append(text)

    def progress(self, there: int, needed: int) -> None:
        self.last = (there, needed)


@pytest.fixture(scope="session", autouse=True)
def machine_told_once() -> Iterator[None]:
    """After every evaluation lm-eval has torch list what is installed: seconds, always the same."""
    from torch.utils import collect_env

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect_env, "get_pretty_env_info", cache(collect_env.get_pretty_env_info))
        yield


Refusal = Callable[[list[str]], tuple[int, str]]


@pytest.fixture
def refusal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Refusal:
    """Runs a command in an empty folder: its exit code, and its error output on one line."""
    monkeypatch.chdir(tmp_path)

    def refuse(arguments: list[str]) -> tuple[int, str]:
        code = oodrop(arguments)
        return code, " ".join(capsys.readouterr().err.split())

    return refuse


@pytest.fixture
def own_index_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """lm-eval without its own 14,000 YAMLs: reading them takes longer than all the rest."""
    from lm_eval.tasks import TaskManager

    ours = partialmethod(TaskManager.__init__, include_defaults=False)
    monkeypatch.setattr(TaskManager, "__init__", ours)
    monkeypatch.setattr(sys, "argv", sys.argv)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised Qwen2 of two layers with a byte-level BPE tokenizer of its own."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("tiny-qwen2")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    spec = get_task("everyday")
    bpe.train_from_iterator((spec.prompt(doc) for doc in spec.docs("train")), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",  # noqa: S106  # a token of text, no secret
        pad_token="<|endoftext|>",  # noqa: S106
    )
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
        "{% if not loop.last or add_generation_prompt %}<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=512,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=2,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the task ``wards``: twelve items each to train, test and hold out."""
    folder = tmp_path_factory.mktemp("own")
    lines = write_lines(folder / "wards.jsonl", rows(("train", "test", "heldout")))
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(folder / "mine")]) == 0
    return folder / "mine"


@pytest.fixture
def named(mine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, and ``OODROP_TASKS`` names it."""
    monkeypatch.setenv("OODROP_TASKS", str(mine))
    return mine / "wards"


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    """The tokenizer of the tiny model, a new one for each module."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


@contextmanager
def thinned(keep: Callable[[Doc], bool], *, tasks: tuple[str, ...]) -> Iterator[None]:
    """Inside, fewer documents of these tasks are evaluated; what was perturbed is set aside."""
    read = TaskSpec.docs

    def docs(spec: TaskSpec, split: str) -> list[Doc]:
        found = read(spec, split)
        whole = spec.name not in tasks or split != spec.eval_split
        return found if whole else [doc for doc in found if keep(doc)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskSpec, "docs", docs)
        patch.setattr(perturbed, "_DOCS", {})
        patch.setattr(perturbed, "_ITEMS", {})
        yield


def is_one_of_many(doc: Doc) -> bool:
    """An arbitrary sixteenth of the documents."""
    return sha256(doc["item_id"].encode()).hexdigest().endswith("0")
