"""``hf-packed``: lm-eval's ``hf`` that computes what requests share once.

Variants of an item, items of a procedure and the options of a question begin with the same tokens.
``hf`` encodes all of them for every request and computes logits of the whole vocabulary at every
token. Here the requests of one call become a token tree, which is cut into pieces of equal size.
A piece is one pass of the model, behind the cached path to its first token: each token sees its
own path alone (a mask), stands at its depth (positions), and gives logits only where one is asked
for. Results are those of ``hf`` but for rounding; where a model cannot be used so, it says so and
answers as ``hf``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from lm_eval.api.instance import Instance
from transformers import DynamicCache

from oodrop import DataError, RunError
from oodrop.harness_ext.packed.budget import pass_tokens
from oodrop.harness_ext.packed.generation import PackedGeneration
from oodrop.harness_ext.packed.packable import why_unpackable
from oodrop.harness_ext.packed.pathcache import PathCache
from oodrop.harness_ext.packed.scores import Scores, scored
from oodrop.harness_ext.packed.tokenrow import Numbers, TokenRow, token_row
from oodrop.harness_ext.runner.outofmemory import is_out_of_memory, release_memory

Answer = tuple[float, bool]
Request = tuple[tuple[str, str] | None, list[int], list[int]]

_ON_CPU = 512  # measured on SmolLM2-135M in float32; calls are cheap, masked arithmetic is not
_LEAST = 16  # tokens of a pass that is not halved any more
_log = logging.getLogger(__name__)


class HFPacked(PackedGeneration):
    """As ``hf``, for decoder-only models; log-likelihoods are computed over token trees.

    Args:
        pack_tokens: tokens that go through the model in one pass; by default what was measured as
            fastest on a CPU, and what fits into free memory elsewhere.
        arguments: those of ``hf``.

    Raises:
        DataError: when ``pack_tokens`` is no whole number of 1 or more.
    """

    def __init__(
        self, *arguments: Any, pack_tokens: int | str | None = None, **settings: Any
    ) -> None:
        if pack_tokens is not None and not (str(pack_tokens).isdecimal() and int(pack_tokens)):
            raise DataError(
                f"pack_tokens must be a whole number of 1 or more, got {str(pack_tokens)!r:.60}"
            )
        super().__init__(*arguments, **settings)
        self.pack_tokens = None if pack_tokens is None else int(pack_tokens)
        self._reason: str | None = None
        self.computed = 0
        """Tokens that went through the model for log-likelihoods so far."""
        self.limit = 0
        """Different tokens, each with all before it, in the log-likelihood calls so far."""

    @property
    def fallback(self) -> str:
        """Why the model cannot be packed and answers as ``hf``; "" where it can."""
        if self._reason is None:
            self._reason = why_unpackable(self)
            if self._reason:
                _log.warning("hf-packed answers as hf: %s", self._reason)
        return self._reason

    @property
    def plans_whole(self) -> bool:
        """Whether a journal hands over whole calls, known requests too, and not parts of them."""
        return not self.fallback

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """As the parent, text by text where they go to a journal."""
        commit = getattr(self.cache_hook, "commit", None)
        if commit is None or self.fallback or self.world_size > 1:
            return cast("list[float]", super().loglikelihood_rolling(requests, disable_tqdm))
        answers = []
        for request in requests:
            answer = self.cache_hook.known("loglikelihood_rolling", request.args)
            if answer is None:
                (answer,) = super().loglikelihood_rolling([request], disable_tqdm=True)
                commit()
            answers.append(float(answer))
        return answers

    def _loglikelihood_tokens(
        self, requests: list[Request], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[Answer]:
        """As the parent; the bar is left to whoever journals the answers."""
        if self.fallback:
            answers = super()._loglikelihood_tokens(requests, disable_tqdm, override_bs)
            return cast("list[Answer]", answers)
        contexts, targets = [], []
        for _, context, continuation in requests:
            # What is too long is cut at the left, as hf does.
            kept = [*context, *continuation][-(self.max_length + 1) :]
            contexts.append(kept[: -len(continuation)])
            targets.append(continuation)
        row = token_row(contexts, targets)
        self.limit += len(row)
        return self._answers(requests, row)

    def _answers(self, requests: Sequence[Request], row: TokenRow) -> list[Answer]:
        """Answer pass by pass. What a journal knows is taken from it and needs no pass."""
        known = getattr(self.cache_hook, "known", lambda kind, request: None)
        commit = getattr(self.cache_hook, "commit", lambda: None)
        found = [known("loglikelihood", r[0]) if r[0] is not None else None for r in requests]
        todo = np.array([answer is None for answer in found], dtype=bool)
        answers = [(0.0, True) if a is None else (float(a[0]), bool(a[1])) for a in found]
        missing = np.bincount(row.requests, minlength=len(requests))
        for scores in self.passes(row, todo):
            for r, value, is_likeliest in zip(*scores, strict=True):
                if todo[r]:
                    answers[r] = (answers[r][0] + value, answers[r][1] and is_likeliest)
                    missing[r] -= 1
                    if not missing[r] and requests[r][0] is not None:
                        self.cache_hook.add_partial("loglikelihood", requests[r][0], answers[r])
            commit()
        return answers

    def passes(self, row: TokenRow, todo: npt.NDArray[np.bool_]) -> Iterator[Scores]:
        """Scores of each pass that leads to something to do; passes do not depend on what that is.

        Raises:
            RunError: when memory runs out in a small pass.
        """
        needed = row.leading_to(todo)
        cache = PathCache(self._blank)
        path: Numbers = np.empty(0, dtype=np.int64)
        start, size = 0, self._pass_size(row)
        while start < len(row):
            stop = min(start + size, len(row))
            if needed[start:stop].any():
                scores = self._tried(row, path, slice(start, stop), cache)
                if scores is None:
                    size = _halved(stop - start, len(path))
                    continue
                yield scores
            path, start = row.path(path, start, stop), stop

    def _pass_size(self, row: TokenRow) -> int:
        if self.pack_tokens is not None:
            return self.pack_tokens
        if self.device.type != "cuda":
            return _ON_CPU
        free, _ = torch.cuda.mem_get_info(self.device)
        free += torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return pass_tokens(self.model.config, self.model.dtype.itemsize, free, row.height)

    def _tried(self, row: TokenRow, path: Numbers, piece: slice, cache: PathCache) -> Scores | None:
        """A pass; None where memory ran out."""
        try:
            return self._pass(row, path, piece, cache)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Out of the clause, where the error no longer holds on to what the pass had made.
        release_memory()
        return None

    def _pass(self, row: TokenRow, path: Numbers, piece: slice, cache: PathCache) -> Scores:
        """What is asked for after the tokens of a piece of the tree."""
        wanted = slice(*np.searchsorted(row.places, [piece.start, piece.stop]))
        places, rows_of = np.unique(row.places[wanted] - piece.start, return_inverse=True)
        logits = self.send(row, path, piece, cache, places)
        self.computed += piece.stop - piece.start
        return scored(
            logits, rows_of, row.targets[wanted], row.requests[wanted], self.softmax_dtype
        )

    def send(
        self, row: TokenRow, path: Numbers, piece: slice, cache: PathCache, places: Numbers
    ) -> torch.Tensor:
        """Send a piece of the tree through the model, behind the path to its first token.

        Returns:
            Logits after these places of the piece.
        """
        columns = np.concatenate([path, np.arange(piece.start, piece.stop)])
        rows = torch.arange(piece.start, piece.stop, device=self.device)[:, None]
        before = torch.from_numpy(columns).to(self.device) <= rows
        seen = before & (torch.from_numpy(row.ends[columns]).to(self.device) > rows)
        hidden = torch.zeros(seen.shape, dtype=self.model.dtype, device=self.device)
        hidden.masked_fill_(~seen, torch.finfo(hidden.dtype).min)
        # Some models give all logits when asked for none.
        keep = torch.from_numpy(places if len(places) else np.array([0])).to(self.device)
        past = cache.along(path)
        logits = self._forward(
            row.tokens[piece],
            past,
            keep,
            attention_mask=hidden[None, None],
            position_ids=torch.from_numpy(row.depths[piece])[None].to(self.device),
        )
        cache.hold(columns, past)
        return logits

    def _forward(
        self, tokens: Numbers, cache: Any, keep: torch.Tensor, **more: Any
    ) -> torch.Tensor:
        """Logits after the tokens to keep; the cache grows by all of them."""
        if self._keeps_some:
            more["logits_to_keep"] = keep
        with (
            torch.no_grad(),
            torch.autocast(
                device_type=self.device.type,
                dtype=self.mixed_precision_dtype,
                enabled=self.mixed_precision_dtype is not None,
            ),
        ):
            inputs = torch.from_numpy(tokens)[None].to(self.device)
            out = self.model(input_ids=inputs, past_key_values=cache, use_cache=True, **more)
            logits: torch.Tensor = out.logits[0]
            return logits if self._keeps_some else logits[keep]

    @cached_property
    def _keeps_some(self) -> bool:
        """Whether the model computes logits only where it is told to."""
        model = getattr(self.model, "get_base_model", lambda: self.model)()
        return "logits_to_keep" in inspect.signature(model.forward).parameters

    def _blank(self) -> DynamicCache:
        cache = DynamicCache()
        self._forward(np.zeros(1, dtype=np.int64), cache, torch.zeros(1, dtype=torch.long))
        return cache


def _halved(size: int, past: int) -> int:
    """Half the size of a pass that found no memory.

    Raises:
        RunError: when it is too small to halve.
    """
    if size // 2 < _LEAST:
        raise RunError(
            f"memory ran out in a pass of {size} tokens behind {past} others, which is too small "
            "to halve: take a smaller model, dtype or max_length, or a device with more memory"
        )
    _log.warning("memory ran out in a pass of %d tokens; from here on: %d", size, size // 2)
    return size // 2
