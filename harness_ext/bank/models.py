"""The models that make a bank's texts: loaded, and asked.

All in float32, and by the code of the transformers library: a model's own is never run.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oodrop import DataError, RunError
from oodrop.harness_ext.localmodels import Checkpoint
from oodrop.perturbers.banks import Entry, Substitution, substituted
from oodrop.perturbers.catalogue.generated import MIN_LETTERS
from oodrop.perturbers.catalogue.typos import like
from oodrop.perturbers.item import Item, Word
from oodrop.perturbers.registry import SEVERITY_FRACTION
from oodrop.perturbers.spans import is_harmless
from oodrop.perturbers.words import is_word

PROMPT = (
    "Rewrite the text below in other words. Keep its meaning, and keep every number, unit, name "
    "and negation exactly as it is. A question stays a question: do not answer it. Reply with the "
    "rewritten text alone, on one line.\n\n{text}"
)
CANDIDATES = 50  # most likely tokens in a masked place that are tried before the word is left


@dataclass(frozen=True)
class Source:
    """A text to reword, in the first item that has it."""

    segment: str
    item: Item

    @property
    def text(self) -> str:
        """The text itself."""
        return self.item.segments[self.segment]


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen: the likeliest at temperature 0, else one drawn of the likeliest 50.

    A rewording that is not finished within ``max_new_tokens`` is not used.
    """

    batch_size: int = 8
    max_new_tokens: int = 128
    temperature: float = 0.0
    seed: int = 2026

    def config(self, model: Any) -> Any:
        """The model's generation settings, with everything replaced that would choose tokens."""
        config = copy.deepcopy(model.generation_config)
        config.update(
            do_sample=self.temperature > 0,
            temperature=self.temperature or 1.0,
            top_k=50,
            top_p=1.0,
            num_beams=1,
            repetition_penalty=1.0,
            max_length=None,
            max_new_tokens=self.max_new_tokens,
        )
        return config


class _Model:
    """A loaded model with its tokenizer."""

    def __init__(self, checkpoint: Checkpoint, kind: str, decoding: Decoding) -> None:
        import torch
        import transformers

        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        options |= {"gguf_file": checkpoint.gguf} if checkpoint.gguf else {}
        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(
                checkpoint.folder, **options
            )
            self.model = getattr(transformers, kind).from_pretrained(
                checkpoint.folder, dtype=torch.float32, **options
            )
        except Exception as error:  # many libraries below, each with its own way to fail
            raise RunError(
                f"the model {checkpoint.name} cannot be loaded as {kind}: "
                f"{type(error).__name__}: {error}"
            ) from error
        self.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.name, self.decoding = checkpoint.name, decoding

    def encoded(self, texts: Sequence[str], **options: Any) -> dict[str, Any]:
        """Tokens of a batch, padded."""
        batch = self.tokenizer(list(texts), return_tensors="pt", padding=True, **options)
        return {name: batch[name].to(self.model.device) for name in ("input_ids", "attention_mask")}

    def generated(self, batch: dict[str, Any]) -> list[str]:
        """What the model writes for each row; empty where it did not come to an end."""
        import torch

        config = self.decoding.config(self.model)
        named = config.eos_token_id
        ends = {self.tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])}
        with torch.inference_mode():
            rows = self.model.generate(**batch, generation_config=config)
        start = 1 if self.model.config.is_encoder_decoder else batch["input_ids"].shape[1]
        texts = self.tokenizer.batch_decode(rows[:, start:], skip_special_tokens=True)
        # The last place does not count: some models are made to end there, wherever they are.
        places = slice(start, start + config.max_new_tokens - 1)
        return [
            text if ends.intersection(row[places].tolist()) else ""
            for text, row in zip(texts, rows, strict=True)
        ]


class Paraphraser:
    """An instruction-following language model, asked with `PROMPT` through its chat template."""

    def __init__(self, checkpoint: Checkpoint, decoding: Decoding) -> None:
        self._model = _Model(checkpoint, "AutoModelForCausalLM", decoding)
        tokenizer = self._model.tokenizer
        if not tokenizer.chat_template:
            raise DataError(
                f"paraphrasing needs a model with a chat template, {checkpoint.name} has none"
            )
        tokenizer.padding_side = "left"
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

    def __call__(self, sources: Sequence[Source]) -> list[Entry]:
        """One entry for each text."""
        turns = [[{"role": "user", "content": PROMPT.format(text=s.text)}] for s in sources]
        prompts = self._model.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True
        )
        batch = self._model.encoded(prompts, add_special_tokens=False)
        return _reworded(sources, self._model.generated(batch))


class BackTranslator:
    """A translation model to the pivot language, and one back."""

    def __init__(self, forth: Checkpoint, back: Checkpoint, decoding: Decoding) -> None:
        self._models = [_Model(c, "AutoModelForSeq2SeqLM", decoding) for c in (forth, back)]

    def __call__(self, sources: Sequence[Source]) -> list[Entry]:
        """One entry for each text."""
        forth, back = self._models
        pivots = forth.generated(forth.encoded([s.text for s in sources]))
        there = [pivot for pivot in pivots if pivot.strip()]
        texts = iter(back.generated(back.encoded(there)) if there else ())
        return _reworded(sources, [next(texts) if pivot.strip() else "" for pivot in pivots])


def _reworded(sources: Sequence[Source], answers: Sequence[str]) -> list[Entry]:
    return [
        Entry(source.segment, source.text, cleaned(answer, source))
        for source, answer in zip(sources, answers, strict=True)
    ]


def cleaned(answer: str, source: Source) -> str:
    """The answer without quotation marks around it; "" if it cannot be a rewording of the source.

    It cannot where it is the source itself, has another number of lines (a list of suggestions, a
    comment in front), is no question although the source is one, or names an option of the item
    that the source does not name.
    """
    text = answer.strip()
    if len(text) > 2 and text[0] == text[-1] == '"' and not source.text.startswith('"'):
        text = text[1:-1].strip()
    same_shape = len(text.splitlines()) == len(source.text.splitlines())
    same_kind = text.endswith("?") == source.text.rstrip().endswith("?")
    told = _named(source.item.choices, text) <= _named(source.item.choices, source.text)
    return text if same_shape and same_kind and told and text != source.text else ""


def _named(choices: Sequence[str], text: str) -> set[str]:
    return {c for c in choices if re.search(rf"(?<!\w){re.escape(c)}(?!\w)", text, re.I)}


class WordFiller:
    """A masked language model that is asked for another word in the place of each eligible one."""

    def __init__(self, checkpoint: Checkpoint, decoding: Decoding) -> None:
        self._model = _Model(checkpoint, "AutoModelForMaskedLM", decoding)
        tokenizer = self._model.tokenizer
        if tokenizer.mask_token is None:
            raise DataError(f"word substitution needs a mask token, {checkpoint.name} has none")
        # Where tokens say that a blank precedes them, one without it would stick to the last word.
        starts = {token[:1] for token in tokenizer.get_vocab()}
        self._blank = next((mark for mark in "Ġ▁" if mark in starts), "")

    def __call__(self, sources: Sequence[Source]) -> list[Entry]:
        """One entry for each text."""
        return [self._entry(source) for source in sources]

    def _entry(self, source: Source) -> Entry:
        words = [w for w in source.item.words(MIN_LETTERS) if w.segment == source.segment]
        size = self._model.decoding.batch_size
        parts = [words[i : i + size] for i in range(0, len(words), size)]
        found = [row for part in parts for row in self._substitutions(source, part)]
        most = math.floor(SEVERITY_FRACTION[5] * len(words) + 0.5)  # no severity ever makes more
        surest = sorted(found, key=lambda row: (-row[0], row[1]))[:most]
        chosen = tuple(substitution for _, substitution in surest)
        text = substituted(source.text, chosen) if chosen else ""
        return Entry(source.segment, source.text, text or "", words=chosen)

    def _substitutions(
        self, source: Source, words: Sequence[Word]
    ) -> list[tuple[float, Substitution]]:
        import torch

        tokenizer, text = self._model.tokenizer, source.text
        mask = tokenizer.mask_token
        masked = [text[: w.start] + mask + text[w.start + len(w.text) :] for w in words]
        batch = self._model.encoded(masked, truncation=True)
        with torch.inference_mode():
            logits = self._model.model(**batch).logits
        places = batch["input_ids"] == tokenizer.mask_token_id
        if (places.sum(1) != 1).any():  # the text speaks of the mask itself, or was too long
            return []
        shares, ids = logits[places].softmax(-1).topk(min(CANDIDATES, logits.shape[-1]))
        taken = {part for answer in source.item.choices for part in answer.casefold().split()}
        result = []
        for word, row_shares, row_ids in zip(words, shares.tolist(), ids.tolist(), strict=True):
            tokens = tokenizer.convert_ids_to_tokens(row_ids)
            for share, token in zip(row_shares, tokens, strict=True):
                after = self._word(token, word)
                if after is not None and after.casefold() not in taken:
                    result.append((share, Substitution(word.start, word.text, after)))
                    break
        return result

    def _word(self, token: str, word: Word) -> str | None:
        """The token as a word in the place of another; None if it is no such word."""
        if self._blank and word.start and not token.startswith(self._blank):
            return None
        bare = token.removeprefix(self._blank)
        if not (bare.isascii() and bare.isalpha()) or (word.text.islower() and not bare.islower()):
            return None
        after = like(word.text, bare.lower())
        fits = after.casefold() != word.text.casefold() and is_word(after) and is_harmless(after)
        return after if fits else None
