"""How a reply came to its answer: whether it has one, after how much text, or how it ended."""

from __future__ import annotations

import re

# Fewer words and marks than this before an answer: it came at once.
AT_ONCE = 10

_TOKEN = re.compile(r"\w+|[^\w\s]")
# How a text ends that was not cut off by the limit: with a mark, a bracket or emphasis.
_ENDED = re.compile(r"[.!?:)\]}*\"'\u201d\u2019`>|]\s*\Z")


def engagement(reply: str, answer_start: int | None) -> dict[str, float]:
    """Metrics of one reply, the same for every task.

    Args:
        reply: all of the generated text.
        answer_start: where in it the answer begins; None where no answer was found.

    Returns:
        ``parsed``: 1 where there is an answer. ``reasoning_tokens``: words and marks before it,
        whatever the tokenizer; all of them where there is none. ``at_once``: 1 where there is an
        answer and fewer than `AT_ONCE` tokens stand before it. ``truncated``: 1 where there is
        none and the text breaks off, a rule of thumb.
    """
    parsed = answer_start is not None
    tokens = sum(1 for _ in _TOKEN.finditer(reply[:answer_start]))
    return {
        "parsed": float(parsed),
        "reasoning_tokens": float(tokens),
        "at_once": float(parsed and tokens < AT_ONCE),
        "truncated": float(not parsed and not _ENDED.search(reply)),
    }
