"""Random requests for log-likelihoods, and the hook that a backend tells of its answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from lm_eval.models.huggingface import HFLM
from transformers import PreTrainedModel

from oodrop.harness_ext.packed.backend import HFPacked

from .tinymodels import backend

Requests = list[tuple[tuple[str, str], list[int], list[int]]]
Answers = Sequence[tuple[float, bool]]


def requests(seed: int, count: int = 40) -> Requests:
    """Token lists that share beginnings, at random; some lists twice, some inside another.

    Some contexts are one token, some targets longer than the rest of the request.
    """
    rng = random.Random(seed)
    stems = [[rng.randrange(512) for _ in range(rng.randrange(3, 60))] for _ in range(4)]
    found: Requests = []
    while len(found) < count:
        stem = stems[rng.randrange(4)]
        middle = stems[rng.randrange(4)][: rng.randrange(40)]
        context = stem[: rng.randrange(1, len(stem))] + middle
        if rng.random() < 0.1:
            context = context[:1]
        for _ in range(rng.randrange(1, 4)):
            longest = 50 if rng.random() < 0.1 else 5
            target = [rng.randrange(512) for _ in range(rng.randrange(1, longest))]
            found.append(((f"c{len(found)}", "t"), context, target))
    return [*found, *((("again", name), c, t) for (name, _), c, t in found[:3])]


class Hook:
    """Keeps what the backend reports, and knows what it is told to know.

    Args:
        there: answers by request.
        patience: number of commits after which it raises `Killed`; None for never.
    """

    def __init__(self, there: dict[Any, Any] | None = None, patience: int | None = None) -> None:
        self.there = dict(there or {})
        self.told: list[tuple[Any, Any]] = []
        self.committed: dict[Any, Any] = dict(self.there)
        self.commits = 0
        self._patience = patience

    def known(self, kind: str, request: Any) -> Any:
        assert kind == "loglikelihood"
        return self.there.get(tuple(request))

    def add_partial(self, kind: str, request: Any, answer: Any) -> None:
        assert kind == "loglikelihood"
        self.told.append((request, answer))

    def commit(self) -> None:
        self.committed |= dict(self.told)
        self.commits += 1
        if self.commits == self._patience:
            raise Killed


class Killed(BaseException):
    """In place of a signal."""


def answered(lm: HFLM, asked: Requests) -> list[tuple[float, bool]]:
    return lm._loglikelihood_tokens(asked, disable_tqdm=True)


def packed(model: PreTrainedModel, tokenizer: Any, **more: Any) -> HFPacked:
    return backend(HFPacked, model, tokenizer, **more)


def apart(left: Answers, right: Answers) -> float:
    """The largest difference of two log-likelihoods."""
    assert len(left) == len(right)
    return max(abs(a[0] - b[0]) for a, b in zip(left, right, strict=True))
