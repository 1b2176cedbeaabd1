"""How much of a reply stands before its answer: did the model reason, or answer at once?"""

from __future__ import annotations

import re

__all__ = ["AT_ONCE", "engagement"]

# Fewer words and marks than this before the answer: no reasoning that could be read.
AT_ONCE = 10

_TOKEN = re.compile(r"\w+|[^\w\s]")
# How a text ends that was not cut off by the limit: with a mark, a bracket or emphasis.
_ENDED = re.compile(r"[.!?:)\]}*\"'\u201d\u2019`>|]\s*\Z")


def engagement(reply: str, answer_start: int | None) -> dict[str, float]:
    """What a reply shows of its reasoning, whatever the tokenizer.

    Args:
        reply: what the model wrote.
        answer_start: where its answer begins, None where it gives none.

    Returns:
        ``parsed`` (it gives an answer), ``reasoning_tokens`` (words and marks before the answer;
        all of them where there is none), ``at_once`` (it answers after fewer than ``AT_ONCE`` of
        them), ``truncated`` (it gives no answer and breaks off).
    """
    tokens = len(_TOKEN.findall(reply[:answer_start]))
    found = answer_start is not None
    return {
        "parsed": float(found),
        "reasoning_tokens": float(tokens),
        "at_once": float(found and tokens < AT_ONCE),
        "truncated": float(not found and not _ENDED.search(reply)),
    }
