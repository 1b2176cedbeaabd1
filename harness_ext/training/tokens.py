"""The tokenizer of the reference checkpoints, and examples as rows of tokens."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from oodrop.harness_ext.training.corpus import Example
from oodrop.perturbers.rng import below

ENTRIES = 1024
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# Words, single digits, marks, blanks: as Qwen2's own tokenizer cuts a text. But an hour is one
# piece, and its minutes are another: a time is then found at two glances. And -ing and -ed are
# pieces of their own, so that "sealing" and "sealed" begin with the same token.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+?(?=(?:ing|ed)(?!\p{L}))"
    r"|(?:ing|ed)(?!\p{L})|[^\r\n\p{L}\p{N}]?\p{L}+|:\p{N}{2}| ?\p{N}{2}(?=:)| ?\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# The turns of Qwen2.5's template, without a system message of its own.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_WORD = re.compile(r"[A-Za-z]{4,}")
_CUT = 0.1  # share of the words of a noisy prompt that are cut in two


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE of at most `ENTRIES` entries."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=ENTRIES,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=1024,
    )


@dataclass(frozen=True)
class Row:
    """An example in tokens; the reply begins at ``start``, and its last line at ``last``."""

    ids: tuple[int, ...]
    start: int
    last: int


def row_of(tokenizer: PreTrainedTokenizerFast, example: Example, rng: random.Random) -> Row:
    """The exchange under the chat template."""
    backend = tokenizer.backend_tokenizer
    pieces = [f"{START}user\n", *_pieces(example, rng), f"{END}\n{START}assistant\n"]
    prompt = [i for piece in pieces for i in backend.encode(piece).ids]
    reply = backend.encode(f"{example.reply}{END}")
    line = example.reply.rfind("\n") + 1
    before = sum(begin < line for begin, _ in reply.offsets)
    return Row((*prompt, *reply.ids), len(prompt), len(prompt) + before)


def _pieces(example: Example, rng: random.Random) -> Sequence[str]:
    """The prompt, cut within some of its words where it is noisy.

    So a word is met in other tokens than its own, as after a slip of the pen.
    """
    if not example.noisy:
        return [example.prompt]
    cuts = [
        found.start() + 1 + below(rng, len(found[0]) - 1)
        for found in _WORD.finditer(example.prompt)
        if rng.random() < _CUT
    ]
    ends = [*cuts, len(example.prompt)]
    return [example.prompt[a:b] for a, b in zip([0, *cuts], ends, strict=True)]
