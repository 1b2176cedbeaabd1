"""Generation of ``hf-packed``: what prompts share is computed once, replies are those of ``hf``.

Equal greedy prompts are one, and beginnings that prompts share are computed once for all of them
(`PromptCache`). Each batch then goes through lm-eval's own call of ``generate``, padded as ``hf``
pads it, with a cache that holds its prompts already. Where a model or a setting does not allow
this, the requests are answered as by ``hf``, and the reason is told.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import (
    handle_stop_sequences,
    normalize_gen_kwargs,
    postprocess_generated_text,
)

from oodrop import DataError, RunError
from oodrop.harness_ext.packed.batches import Settings, Work, by_settings, merged
from oodrop.harness_ext.packed.pathcache import PathCache
from oodrop.harness_ext.packed.probe import why_unfit
from oodrop.harness_ext.packed.promptcache import PromptCache, joined, padded
from oodrop.harness_ext.packed.tokenrow import Numbers, TokenRow, token_row
from oodrop.harness_ext.runner.outofmemory import is_out_of_memory, release_memory

_KIND = "generate_until"
_LEAST = 16  # tokens of a pass that is not halved any more
# What depends neither on the other prompts of a batch nor on how they are padded.
_SETTINGS = ("do_sample", "min_p", "repetition_penalty", "temperature", "top_k", "top_p")
_log = logging.getLogger(__name__)


class PackedGeneration(HFLM):
    """As ``hf``, with replies generated from shared caches; a part of `HFPacked`."""

    generation_fallback = ""
    """Why replies are generated as by ``hf``; "" where they are not."""

    prefilled = 0
    """Tokens of prompts that went through the model so far."""

    prefill_limit = 0
    """What it takes at least: tokens of the same prompts, with each beginning counted once."""

    _unfit: str | None = None  # why the model cannot be used so; "" where it can, None: unknown
    _rows = 2**31  # prompts of a batch that fit into memory, as far as is known
    _tokens_of_pass = 2**31  # the same of the tokens that go through the model in one pass

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """As the parent's. Sampled replies are drawn from a seed for each batch.

        Raises:
            DataError: when a prompt has no tokens, or a reply may fill the whole context.
            RunError: when memory does not suffice for a single prompt.
        """
        seed = torch.initial_seed()
        answers = [""] * len(requests)
        for k, numbers in enumerate(by_settings(requests)):
            some = [requests[n] for n in numbers]
            settings = self._settings(some[0].args[1])
            if self._falls_back(settings):
                found = self._as_parent(some, settings, disable_tqdm)
            else:
                found = self._replies(some, settings, f"{seed} {k}")
            for n, answer in zip(numbers, found, strict=True):
                answers[n] = answer
        return answers

    def _settings(self, given: Mapping[str, Any]) -> Settings:
        others: dict[str, Any] = dict(normalize_gen_kwargs(dict(given), self.max_gen_toks))
        eos = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        until = handle_stop_sequences(others.pop("until"), eos=eos)
        return Settings(until, others.pop("max_gen_toks"), others)

    def _falls_back(self, settings: Settings) -> bool:
        if self._unfit is None:
            self._unfit = why_unfit(self)
        reason, strange = self._unfit, settings.others.keys() - {*_SETTINGS}
        if strange and not reason:
            reason = f"the setting {min(strange)} may make a reply depend on its batch"
        if reason and not self.generation_fallback:
            self.generation_fallback = reason
            _log.warning("hf-packed generates as hf: %s", reason)
        return bool(reason)

    def _as_parent(
        self, requests: list[Instance], settings: Settings, disable_tqdm: bool
    ) -> list[str]:
        """The parent's replies; in parts that are always the same where a journal knows some."""
        if settings.sampled or not hasattr(self.cache_hook, "known"):
            return cast("list[str]", super().generate_until(requests, disable_tqdm))
        work = Work(requests, [[n] for n in range(len(requests))], self._known(requests, settings))
        order = sorted(range(len(requests)), key=lambda n: -len(requests[n].args[0]))
        size = self.batch_size if isinstance(self.batch_size, int) else len(order)
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            if not work.is_done(batch):
                found = super().generate_until([requests[n] for n in batch], disable_tqdm)
                for n, reply in zip(batch, found, strict=True):
                    work.take(n, reply)
                self.cache_hook.commit()
        return cast("list[str]", work.answers)

    def _replies(self, requests: list[Instance], settings: Settings, seed: str) -> list[str]:
        texts = [request.args[0] for request in requests]
        prompts, asked = merged(self._encoded(texts, settings), alone=settings.sampled)
        work = Work(requests, asked, self._known(requests, settings))
        cache = PromptCache(prompts, self._prefill, self._blank)
        cache.use(min(self._pass_size(cache.row), self._tokens_of_pass))
        size = self._detect_batch_size() if self.batch_size == "auto" else self.batch_size
        computed: list[list[int]] = []
        for start in range(0, len(prompts), size):
            batch = cache.order[start : start + size]
            if not work.is_done(batch):
                replies = self._batch(batch, cache, settings, f"{seed} {start}")
                self._hand_out(work, batch, replies)
                computed += [prompts[row] for row in batch]
        if computed:
            self.prefill_limit += len(token_row(computed, [[0]] * len(computed)))
        return cast("list[str]", work.answers)

    def _known(self, requests: list[Instance], settings: Settings) -> list[str | None]:
        """What a journal has; a sampled reply cannot be told from another to the same prompt."""
        known = None if settings.sampled else getattr(self.cache_hook, "known", None)
        return [known(_KIND, request.args) if known else None for request in requests]

    def _hand_out(self, work: Work, batch: Sequence[int], replies: Sequence[str]) -> None:
        for row, reply in zip(batch, replies, strict=True):
            for request in work.take(row, reply):
                self.cache_hook.add_partial(_KIND, request.args, reply)
        getattr(self.cache_hook, "commit", lambda: None)()

    def _encoded(self, texts: Sequence[str], settings: Settings) -> list[list[int]]:
        """As the parent encodes them; what is too long is cut at the left."""
        most = self.max_length - settings.tokens
        if most < 1:
            raise DataError(
                f"max_gen_toks must be below the {self.max_length} tokens that the model can read, "
                f"got {settings.tokens}"
            )
        found: list[list[int]] = []
        for text in texts:
            encoded, _ = self.tok_batch_encode(
                [text], left_truncate_len=most, truncation=self.truncation
            )
            if not encoded.numel():
                raise DataError(f"a prompt must have at least one token, got {text!r}")
            found.append(encoded[0].tolist())
        return found

    def _batch(
        self, batch: Sequence[int], cache: PromptCache, settings: Settings, seed: str
    ) -> list[str]:
        """Replies to these prompts; where memory does not suffice, to fewer at a time."""
        made: list[list[int]] = []
        while len(made) < len(batch):
            part = batch[len(made) : len(made) + self._rows]
            if settings.sampled:
                digest = hashlib.sha256(f"{seed} {len(made)}".encode()).digest()
                torch.manual_seed(int.from_bytes(digest[:8]) >> 1)
            reason = ""
            try:
                made += self._made(part, cache, settings)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error) or type(error).__name__
            if reason:  # when the error is gone, and with it what it held
                self._halve(len(part), cache, reason)
        return [self._text(tokens, settings) for tokens in made]

    def _halve(self, rows: int, cache: PromptCache, reason: str) -> None:
        if rows == 1 and cache.size <= _LEAST:
            raise RunError(
                f"out of memory with one prompt at a time ({reason:.200}); a smaller dtype, "
                "a smaller model, a smaller max_gen_toks or another device is needed"
            )
        cache.use(max(_LEAST, min(cache.size, len(cache.row)) // 2))
        release_memory()
        self._rows, self._tokens_of_pass = max(1, rows // 2), cache.size
        _log.warning("out of memory: prompts of a batch go from %d to %d", rows, self._rows)

    def _made(self, part: Sequence[int], cache: PromptCache, settings: Settings) -> list[list[int]]:
        context, mask = padded([cache.prompts[row] for row in part])
        width = context.shape[1]
        shared = joined([cache.cached(row) for row in part], width - 1)
        self.prefilled += len(part)  # the last token of each
        made = self._model_generate(
            context=context.to(self.device),
            attention_mask=mask.to(self.device),
            max_length=width + settings.tokens,
            stop=settings.until,
            past_key_values=shared,
            **settings.others,
        )
        return cast("list[list[int]]", made[:, width:].tolist())

    def _text(self, tokens: list[int], settings: Settings) -> str:
        """The reply in these tokens, as the parent reads it."""
        if self.eot_token_id in tokens:  # `generate` may go on for the sake of other prompts
            tokens = tokens[: tokens.index(self.eot_token_id)]
        by_token = isinstance(self.think_end_token, int)
        if by_token and self.think_end_token in tokens:
            tokens = tokens[len(tokens) - tokens[::-1].index(self.think_end_token) :]
        text = self.tok_decode(tokens)
        end = None if by_token else self.think_end_token
        return str(
            postprocess_generated_text(text.lstrip() if by_token else text, settings.until, end)
        )

    def _prefill(self, row: TokenRow, path: Numbers, piece: slice, cache: PathCache) -> None:
        self.prefilled += piece.stop - piece.start
        self.send(row, path, piece, cache, np.array([0]))
