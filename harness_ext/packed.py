"""``hf-packed``: lm-eval's ``hf`` that computes what requests share once.

Variants of an item, items of a procedure and the options of a question begin with the same tokens.
``hf`` encodes all of them for every request and computes logits of the whole vocabulary at every
token. Here the requests of one call become a token tree. The model goes down the tree with its
cache: a long run of tokens by itself, a small subtree in one pass, in which each token sees its
own path alone (a mask), stands at its depth (positions), and gives logits only where one is asked
for. Results are those of ``hf`` but for rounding; where a model cannot be used so, it says so and
answers as ``hf``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch.nn import functional
from transformers import DynamicCache

from oodrop import DataError
from oodrop.harness_ext.packedgeneration import PackedGeneration
from oodrop.harness_ext.tokentree import Branch, Wanted, packed, token_tree

Request = tuple[tuple[str, str] | None, list[int], list[int]]

# A subtree of more tokens goes down in parts: the mask grows with the square. On a CPU arithmetic
# is dear and calls are cheap, on a GPU the other way round.
_SUBTREE = {"cpu": 1024}
_SUBTREE_ELSEWHERE = 2048
_RUN = 1024  # tokens of a run in one call, for memory
_PROBE = 24
_log = logging.getLogger(__name__)


class HFPacked(PackedGeneration):
    """As ``hf``, for decoder-only models; log-likelihoods are computed over token trees.

    Args:
        pack_tokens: size of the largest subtree that goes through the model in one pass; 0 for
            none.
        arguments: those of ``hf``.

    Raises:
        DataError: when ``pack_tokens`` is no whole number of 0 or more.
    """

    def __init__(
        self, *arguments: Any, pack_tokens: int | str | None = None, **settings: Any
    ) -> None:
        if pack_tokens is not None and not str(pack_tokens).isdecimal():
            raise DataError(
                f"pack_tokens must be a whole number of 0 or more, got {str(pack_tokens)!r:.60}"
            )
        super().__init__(*arguments, **settings)
        default = _SUBTREE.get(self.device.type, _SUBTREE_ELSEWHERE)
        self._subtree = default if pack_tokens is None else int(pack_tokens)
        self._reason: str | None = None  # why the model cannot be packed; "" where it can
        self.computed = 0
        """Tokens that went through the model for log-likelihoods so far."""

    def _loglikelihood_tokens(
        self, requests: list[Request], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        """As the parent; the bar is left to whoever journals the answers."""
        if self._reason is None:
            self._reason = self._probe()
            if self._reason:
                _log.warning("hf-packed answers as hf: %s", self._reason)
        if self._reason:
            answers = super()._loglikelihood_tokens(requests, disable_tqdm, override_bs)
            return cast("list[tuple[float, bool]]", answers)
        return self._packed_answers(requests)

    def _packed_answers(self, requests: Sequence[Request]) -> list[tuple[float, bool]]:
        contexts, targets = [], []
        for _, context, continuation in requests:
            # What is too long is cut at the left, as hf does.
            kept = [*context, *continuation][-(self.max_length + 1) :]
            contexts.append(kept[: -len(continuation)])
            targets.append(continuation)
        answers: list[tuple[float, bool]] = [(0.0, True)] * len(requests)
        missing = [len(t) for t in targets]
        for wanted, value, is_greedy in self._scores(token_tree(contexts, targets)):
            r = wanted.request
            answers[r] = (answers[r][0] + value, answers[r][1] and is_greedy)
            missing[r] -= 1
            if not missing[r] and requests[r][0] is not None:
                self.cache_hook.add_partial("loglikelihood", requests[r][0], answers[r])
        return answers

    def _scores(self, root: Branch) -> Iterator[tuple[Wanted, float, bool]]:
        """Log-probability of everything wanted, and whether it is the likeliest token."""
        cache: Any = DynamicCache()
        todo = [(child, 0) for child in reversed(root.children)]
        while todo:
            branch, past = todo.pop()
            if past:
                cache.crop(past - cache.get_seq_length())  # below 0: so many tokens less
            else:
                cache = DynamicCache()
            if branch.children and branch.size <= self._subtree:
                yield from self._score_subtree(branch, cache, past)
                continue
            for start in range(0, len(branch.tokens), _RUN):
                part = branch.tokens[start : start + _RUN]
                wanted = [
                    w._replace(offset=w.offset - start)
                    for w in branch.wanted
                    if start <= w.offset < start + len(part)
                ]
                yield from self._score(part, wanted, cache)
            below = past + len(branch.tokens)
            todo += [(child, below) for child in reversed(branch.children)]

    def _score_subtree(
        self, branch: Branch, cache: Any, past: int
    ) -> Iterator[tuple[Wanted, float, bool]]:
        row = packed(branch)
        count = len(row.tokens)
        seen = torch.zeros(count, past + count, dtype=torch.bool)
        seen[:, :past] = True
        for start, length, parent in row.parents:
            if parent >= 0:
                seen[start : start + length] = seen[parent]
            own = slice(past + start, past + start + length)
            seen[start : start + length, own] = torch.ones(length, length).tril().bool()
        hidden = torch.zeros(count, past + count, dtype=self.model.dtype)
        hidden.masked_fill_(~seen, torch.finfo(hidden.dtype).min)
        yield from self._score(
            row.tokens,
            row.wanted,
            cache,
            attention_mask=hidden[None, None].to(self.device),
            position_ids=(past + torch.tensor(row.depths))[None].to(self.device),
        )

    def _score(
        self, tokens: Sequence[int], wanted: Sequence[Wanted], cache: Any, **more: Any
    ) -> Iterator[tuple[Wanted, float, bool]]:
        """One pass of the model, which adds the tokens to the cache."""
        self.computed += len(tokens)
        places = sorted({w.offset for w in wanted}) or [len(tokens) - 1]
        keep = torch.tensor(places, device=self.device)
        if self._keeps_some:
            more["logits_to_keep"] = keep
        inputs = torch.tensor([list(tokens)], device=self.device)
        with (
            torch.no_grad(),
            torch.autocast(
                device_type=self.device.type,
                dtype=self.mixed_precision_dtype,
                enabled=self.mixed_precision_dtype is not None,
            ),
        ):
            out = self.model(input_ids=inputs, past_key_values=cache, use_cache=True, **more)
        if not wanted:
            return
        logits = out.logits[0] if self._keeps_some else out.logits[0, keep]
        chances = functional.log_softmax(logits, dim=-1, dtype=self.softmax_dtype)
        rows = {place: row for row, place in enumerate(places)}
        at = torch.tensor([rows[w.offset] for w in wanted], device=self.device)
        of = torch.tensor([w.token for w in wanted], device=self.device)
        likeliest = chances.argmax(dim=-1)[at] == of
        yield from zip(wanted, chances[at, of].tolist(), likeliest.tolist(), strict=True)

    @property
    def _keeps_some(self) -> bool:
        """Whether the model computes logits only where it is told to."""
        model = getattr(self.model, "get_base_model", lambda: self.model)()
        return "logits_to_keep" in inspect.signature(model.forward).parameters

    def _probe(self) -> str:
        """Why trees cannot be used with this model; "" where they can.

        A small tree is computed both ways. What only long texts show is read from the
        configuration: windows that slide over the text.
        """
        if self.backend != "causal":
            return "it is no decoder-only model"
        config = self.model.config.get_text_config()
        layers = set(getattr(config, "layer_types", None) or ())
        if layers - {"full_attention"} or getattr(config, "sliding_window", None):
            return f"its layers see a part of the text ({', '.join(sorted(layers)) or 'window'})"
        size = int(config.vocab_size)
        tokens = [(7 + 31 * k) % size for k in range(2 * _PROBE)]
        start, rest = tokens[:_PROBE], tokens[_PROBE:]
        contexts = [start, start, [*start, *rest[:9]]]
        targets = [rest[:9], [*rest[:3], *rest[12:17]], rest[3:6]]
        plain = [self._stock_score(c, t) for c, t in zip(contexts, targets, strict=True)]
        allowed = 1e-3 if self.model.dtype == torch.float32 else 0.1
        subtree, self._subtree = self._subtree, 0
        try:
            for self._subtree in (0, subtree):
                found = [0.0] * len(contexts)
                for wanted, value, _ in self._scores(token_tree(contexts, targets)):
                    found[wanted.request] += value
                apart = max(abs(a - b) for a, b in zip(found, plain, strict=True))
                if not apart <= allowed:
                    return f"a small tree gave log-likelihoods that differ by {apart:.2g}"
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            return f"a small tree failed with {type(error).__name__}: {error!s:.80}"
        finally:
            self._subtree, self.computed = subtree, 0
        return ""

    def _stock_score(self, context: Sequence[int], target: Sequence[int]) -> float:
        inputs = torch.tensor([[*context, *target[:-1]]], device=self.device)
        logits = self._model_call(inputs)[0, -len(target) :]
        chances = functional.log_softmax(logits, dim=-1, dtype=self.softmax_dtype)
        of = torch.tensor(target, device=self.device)
        return float(chances.gather(1, of[:, None]).sum())
