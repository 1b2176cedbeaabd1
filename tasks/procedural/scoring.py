"""The verdict contract: the last ``FINAL ANSWER:`` line decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from oodrop.tasks.procedural.check import COMPLIANT, NON_COMPLIANT

_LINE = re.compile(r"final\s+answer\s*[:\-]?\s*(.*)", re.I)
# "compliant" is a substring of "non-compliant" and of "not fully compliant": the longer ones are
# matched first. Around the parts stand spaces, hyphens, dashes, a minus sign, emphasis.
_VERDICT = re.compile(
    r"\b(non[\s\-\u2010-\u2015\u2212*_]*compliant"
    r"|(?:not|never|\w+n['\u2019]t)(?:[\s*]+\w+){0,3}[\s*]+compliant"
    r"|compliant)\b",
    re.I,
)
_WORD = re.compile(r"\w+")


def parse_verdict(reply: str, labels: Sequence[str] = (COMPLIANT, NON_COMPLIANT)) -> str | None:
    """The verdict of a reply, None when it keeps to no part of the contract.

    The last ``FINAL ANSWER:`` line counts, and exactly one verdict has to stand in it.
    ``labels`` are the words for compliant and non-compliant where the question asks in other ones.
    """
    lines = [found[1] for line in reply.split("\n") if (found := _LINE.search(line))]
    if not lines:
        return None
    if tuple(labels) == (COMPLIANT, NON_COMPLIANT):
        said = {_canonical(v) for v in _VERDICT.findall(lines[-1])}
    else:
        words = {word.lower() for word in _WORD.findall(lines[-1])}
        said = {
            v
            for v, word in zip((COMPLIANT, NON_COMPLIANT), labels, strict=True)
            if word.lower() in words
        }
    return said.pop() if len(said) == 1 else None


def process_results(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Metrics of one document: accuracy (an unparsed reply is wrong) and whether it parsed."""
    found = parse_verdict(results[0], doc["labels"])
    return {"acc": float(found == doc["label"]), "parsed": float(found is not None)}


def _canonical(text: str) -> str:
    return COMPLIANT if text.lower() == COMPLIANT else NON_COMPLIANT
