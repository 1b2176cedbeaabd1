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

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import (
    handle_stop_sequences,
    normalize_gen_kwargs,
    postprocess_generated_text,
)

from oodrop import DataError, RunError
from oodrop.harness_ext.generationprobe import why_unfit
from oodrop.harness_ext.generationwork import Settings, Work, by_settings, merged
from oodrop.harness_ext.outofmemory import is_out_of_memory, release_memory
from oodrop.harness_ext.promptcache import LEAST, PromptCache, joined, padded
from oodrop.harness_ext.tokentree import token_tree

_KIND = "generate_until"
# A pass of more tokens goes in parts: its mask grows with the square.
_PASS = {"cpu": 1024}
_PASS_ELSEWHERE = 2048
# What depends neither on the other prompts of a batch nor on how they are padded.
_SETTINGS = ("do_sample", "min_p", "repetition_penalty", "temperature", "top_k", "top_p")
_log = logging.getLogger(__name__)


class PackedGeneration(HFLM):
    """As ``hf``, with replies generated from shared caches."""

    plans_whole = True
    """Batches are planned from all requests of a call; the hook is told when one is done."""

    generation_fallback = ""
    """Why replies are generated as by ``hf``; "" where they are not."""

    prefilled = 0
    """Tokens of prompts that went through the model so far."""

    prefill_limit = 0
    """What it takes at least: tokens of the same prompts, with each beginning counted once."""

    _unfit: str | None = None  # why the model cannot be used so; "" where it can, None: unknown
    _rows = 2**31  # prompts of a batch that fit into memory, as far as is known
    _pass = 0  # tokens of a pass that fit into memory; 0 for the default

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
            self._unfit = why_unfit(self, self._forward, self._default_pass)
            self.prefilled = 0
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
        prompts, asked = merged(self._tokens(texts, settings), alone=settings.sampled)
        work = Work(requests, asked, self._known(requests, settings))
        cache = PromptCache(self._forward, prompts, self._pass or self._default_pass)
        size = self._detect_batch_size() if self.batch_size == "auto" else self.batch_size
        computed: list[list[int]] = []
        for start in range(0, len(prompts), size):
            batch = cache.order[start : start + size]
            if not work.is_done(batch):
                replies = self._batch(batch, cache, settings, f"{seed} {start}")
                self._hand_out(work, batch, replies)
                computed += [prompts[row] for row in batch]
        if computed:
            self.prefill_limit += token_tree(computed, [[0]] * len(computed)).size
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

    def _tokens(self, texts: Sequence[str], settings: Settings) -> list[list[int]]:
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
        if rows == 1 and cache.limit <= LEAST:
            raise RunError(
                f"out of memory with one prompt at a time ({reason:.200}); a smaller dtype, "
                "a smaller model, a smaller max_gen_toks or another device is needed"
            )
        cache.halve()
        release_memory()
        self._rows, self._pass = max(1, rows // 2), cache.limit
        _log.warning("out of memory: prompts of a batch go from %d to %d", rows, self._rows)

    def _made(self, part: Sequence[int], cache: PromptCache, settings: Settings) -> list[list[int]]:
        context, mask = padded([cache.prompts[row] for row in part])
        width = context.shape[1]
        shared = joined([cache.row(row) for row in part], width - 1)
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

    def _forward(
        self,
        tokens: Sequence[int],
        cache: Any,
        seen: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> None:
        self.prefilled += len(tokens)
        more: dict[str, Any] = {}
        if seen is not None and positions is not None:
            hidden = torch.zeros(seen.shape, dtype=self.model.dtype)
            hidden.masked_fill_(~seen, torch.finfo(hidden.dtype).min)
            more["attention_mask"] = hidden[None, None].to(self.device)
            more["position_ids"] = positions[None].to(self.device)
        if self.model._supports_logits_to_keep():
            more["logits_to_keep"] = 1
        inputs = torch.tensor([list(tokens)], device=self.device)
        with (
            torch.no_grad(),
            torch.autocast(
                device_type=self.device.type,
                dtype=self.mixed_precision_dtype,
                enabled=self.mixed_precision_dtype is not None,
            ),
        ):
            self.model(input_ids=inputs, past_key_values=cache, use_cache=True, **more)

    @property
    def _default_pass(self) -> int:
        return _PASS.get(self.device.type, _PASS_ELSEWHERE)
