"""Log-probabilities of an answer's tokens in a text, through what lm-eval's models offer.

lm-eval's interface gives the sum over a continuation. Here every token of the answer is a
continuation of its own, after all that stands before it: nothing has to be taken apart again, all
tokens see the same text, and ``hf-packed`` computes them in one pass.
"""

from __future__ import annotations

import hashlib
import math
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from oodrop import DataError, OodropError, RunError
from oodrop.harness_ext.runner.journal import Journal

Progress = Callable[[int, int], None]

_MOST = 1e-3  # a log-probability is at most 0, but for rounding
_SECONDS = 1.0  # work that a kill may cost


@dataclass(frozen=True, slots=True)
class AnswerTokens:
    """The tokens of a text that ends with an answer; the last `count` of them are the answer's."""

    tokens: tuple[int, ...]
    count: int

    def requests(self) -> Iterator[tuple[list[int], int]]:
        """What stands before each token of the answer, and the token."""
        for place in range(len(self.tokens) - self.count, len(self.tokens)):
            yield list(self.tokens[:place]), self.tokens[place]


def why_not(lm: Any) -> str:
    """Why a model cannot give the probabilities of an answer's tokens; "" where it can."""
    if getattr(lm, "backend", "causal") != "causal":
        return "it is no decoder-only model"
    for name in ("tok_encode", "_loglikelihood_tokens", "set_cache_hook"):
        if not callable(getattr(lm, name, None)):
            return "it gives no log-likelihoods of tokens"
    try:
        found = lm.tokenizer("a b", add_special_tokens=False, return_offsets_mapping=True)
        there = len(found["offset_mapping"]) > 0
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError):
        there = False
    return "" if there else "its tokenizer does not say which characters a token stands for"


def answer_tokens(lm: Any, context: str, answer: str, where: str) -> AnswerTokens:
    """The tokens of ``context + answer`` as the backend encodes it, and which are the answer's.

    Those are the answer's whose characters overlap with it, also where one holds the end of the
    context as well. A text that is too long loses tokens at the left: the last ``max_length - 1``
    are what every backend takes.

    Args:
        lm: a model for which `why_not` gives nothing.
        context: what stands before, with its chat template if there is one.
        answer: what is scored.
        where: names the item in errors.

    Raises:
        DataError: when the answer alone is longer than the model reads.
        OodropError: when the tokenizer does not account for every character of the answer.
    """
    tokens, offsets = _encoded(lm, context + answer, where)
    start, end = len(context), len(context) + len(answer)
    own = [k for k, (a, b) in enumerate(offsets) if a < b and a < end and b > start]
    covered = {at for k in own for at in range(*offsets[k])}
    if any(at not in covered for at in range(start, end) if not (context + answer)[at].isspace()):
        raise OodropError(
            f"{where}: the tokenizer does not account for every character of {answer!r:.60}"
        )
    first, last = own[0], own[-1] + 1
    most, count = int(lm.max_length) - 1, last - first
    if count >= most:
        raise DataError(
            f"{where}: the answer is {count} tokens long, and the model reads {most - 1} after "
            "the first"
        )
    before = tokens[:first] or [lm.prefix_token_id]  # lm-eval's own rule for an empty context
    return AnswerTokens(tuple([*before, *tokens[first:last]][-most:]), count)


def log_probabilities(
    lm: Any, asked: Sequence[AnswerTokens], journal: Journal | None, progress: Progress
) -> list[tuple[float, ...]]:
    """Log-probability of every token of every answer; the same question is computed once.

    Args:
        lm: the model.
        asked: what it is asked.
        journal: where each number is kept as it comes, and taken from later; None for none.
        progress: called with (tokens there, tokens needed).

    Raises:
        RunError: when the model gives something that is no log-probability.
    """
    keys = [[_key(before, token) for before, token in one.requests()] for one in asked]
    known: dict[str, float] = {}
    todo: dict[str, tuple[list[int], int]] = {}
    for own, one in zip(keys, asked, strict=True):
        for key, request in zip(own, one.requests(), strict=True):
            if key in known or key in todo:
                continue
            stored = journal.get(key) if journal else None
            if stored is None:
                todo[key] = request
            else:
                known[key] = stored
    if todo:
        known.update(_computed(lm, todo, journal, _from(progress, len(known))))
    progress(len(known), len(known))
    return [tuple(known[key] for key in own) for own in keys]


def _computed(
    lm: Any, todo: dict[str, tuple[list[int], int]], journal: Journal | None, progress: Progress
) -> dict[str, float]:
    requests = [((key, ""), before, [token]) for key, (before, token) in todo.items()]
    with _told(lm, _Hook(journal, progress, len(todo))):
        answers = lm._loglikelihood_tokens(requests, disable_tqdm=True)
    values = {key: float(answer[0]) for key, answer in zip(todo, answers, strict=True)}
    for value in values.values():
        if math.isnan(value) or value > _MOST:
            raise RunError(f"the model gave {value} as the log-probability of a token")
    return values


def _encoded(lm: Any, text: str, where: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Tokens as the backend itself encodes a prompt (one BOS or none), with their characters."""
    tokens = [int(token) for token in lm.tok_encode(text)]
    for special in (False, True):
        found = lm.tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
        if list(found["input_ids"]) == tokens:
            return tokens, [(int(a), int(b)) for a, b in found["offset_mapping"]]
    raise OodropError(f"{where}: the tokenizer gives other tokens than the model's own encoding")


def _key(before: Sequence[int], token: int) -> str:
    return "token:" + hashlib.sha256(array("q", [*before, token]).tobytes()).hexdigest()


def _from(progress: Progress, there: int) -> Progress:
    return lambda done, needed: progress(there + done, there + needed)


@contextmanager
def _told(lm: Any, hook: _Hook) -> Iterator[None]:
    """While the model works, the hook is told of every answer; in the end it stores the last."""
    lm.set_cache_hook(hook)
    try:
        yield
    finally:
        hook.commit()
        lm.set_cache_hook(_Hook(None, lambda done, needed: None, 0))


class _Hook:
    """What lm-eval's models call with each answer, in the shape of its CacheHook."""

    def __init__(self, journal: Journal | None, progress: Progress, needed: int) -> None:
        self._journal, self._progress = journal, progress
        self._done, self._needed = 0, needed
        self._new: dict[str, float] = {}
        self._last = time.monotonic()

    def add_partial(self, kind: str, request: Sequence[str], answer: Sequence[float]) -> None:
        if answer[0] <= _MOST:
            self._new[request[0]] = float(answer[0])
        if time.monotonic() - self._last > _SECONDS:
            self.commit()
        self._done += 1
        self._progress(self._done, self._needed)

    def commit(self) -> None:
        """Store what came since the last time."""
        if self._journal is not None and self._new:
            self._journal.put(self._new)
        self._new = {}
        self._last = time.monotonic()
