"""Several replies to one document: its metrics are means over them, so it stays one item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any


def over_replies(
    replies: str | Sequence[str], score: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    """What `score` says of one reply, or its means over the k that ``take_first_k`` hands on.

    A metric that is a pair (label or name, score) keeps its first part.
    """
    if isinstance(replies, str):
        return score(replies)
    each = [score(reply) for reply in replies]
    return {name: _mean([metrics[name] for metrics in each]) for name in each[0]}


def _mean(values: Sequence[Any]) -> Any:
    if isinstance(values[0], tuple):
        return values[0][0], fmean(score for _, score in values)
    return fmean(values)
