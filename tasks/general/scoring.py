"""Metrics of one document with a free-form answer: strict, upstream-compatible, and engagement.

Strict: ``find_answer`` has to find an answer, and that answer has to be the reference; a reply in
which none is found is wrong and counted in ``parsed``. Upstream-compatible: see ``upstream``.
Neither follows from the other: a reply may be right upstream and wrong here, and the reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from oodrop.tasks.engagement import engagement
from oodrop.tasks.general.equivalence import (
    LABELS,
    letter,
    same_letter,
    same_math,
    same_theoremqa,
)
from oodrop.tasks.general.extraction import find_answer
from oodrop.tasks.general.upstream import rlpr_letter, rlpr_math, theoremqa_typed

__all__ = ["letter_answer", "math_answer", "theoremqa"]

Doc = Mapping[str, Any]
Replies = Sequence[str | Sequence[str]]
Judge = Callable[[str], bool]


def theoremqa(doc: Doc, results: Replies) -> dict[str, float]:
    """Metrics of one TheoremQA item (``gold`` and ``kind``).

    ``acc_upstream`` is what TheoremQA's scorer or RLPR's accepts.
    """
    gold, kind = doc["gold"], doc["kind"]
    return _metrics(
        results,
        strict=lambda answer: same_theoremqa(answer, gold, kind),
        upstream=lambda reply: theoremqa_typed(reply, gold, kind) or rlpr_math(reply, gold),
    )


def math_answer(doc: Doc, results: Replies) -> dict[str, float]:
    """Metrics of one item whose ``gold`` is a number or an expression."""
    gold = doc["gold"]
    return _metrics(
        results,
        strict=lambda answer: same_math(answer, gold),
        upstream=lambda reply: rlpr_math(reply, gold),
    )


def letter_answer(doc: Doc, results: Replies) -> dict[str, float]:
    """Metrics of one item with ``options`` that are labelled A, B, … and a ``gold_index``.

    Strict: the answer names the label, or is the whole text of the right option.
    """
    options = list(doc["options"])
    labels = LABELS[: len(options)]
    gold = labels[doc["gold_index"]]
    return _metrics(
        results,
        strict=lambda answer: same_letter(_label(answer, options), gold, labels),
        upstream=lambda reply: rlpr_letter(reply, gold, options, labels),
    )


def _label(answer: str, options: Sequence[str]) -> str:
    """The answer; where it is the text of exactly one option, that option's label."""
    if letter(answer, LABELS[: len(options)]):
        return answer
    told = " ".join(answer.split()).casefold()
    same = [k for k, option in enumerate(options) if " ".join(option.split()).casefold() == told]
    return LABELS[same[0]] if len(same) == 1 else answer


def _metrics(results: Replies, strict: Judge, upstream: Judge) -> dict[str, float]:
    """Means over the replies: one, or with lm-eval's ``repeats`` the k of ``take_first_k``."""
    first = results[0]
    replies = [first] if isinstance(first, str) else list(first)
    scores = [_score(reply, strict, upstream) for reply in replies]
    return {metric: fmean(score[metric] for score in scores) for metric in scores[0]}


def _score(reply: str, strict: Judge, upstream: Judge) -> dict[str, float]:
    answer = find_answer(reply)
    return {
        "acc": float(answer is not None and strict(answer.text)),
        "acc_upstream": float(upstream(reply)),
        **engagement(reply, answer.opens if answer else None),
    }
