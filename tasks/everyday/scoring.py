"""The answer contract of the free-form view: the last ``ANSWER:`` line decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_LINE = re.compile(r"\banswer\s*[:\-]\s*(.*)", re.I)
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")


def parse_option(reply: str, choices: Sequence[str]) -> int | None:
    """Index of the option that the last ``ANSWER:`` line names; None when it names none, or two."""
    lines = [found[1] for line in reply.split("\n") if (found := _LINE.search(line))]
    if not lines:
        return None
    said = {word.lower() for word in _WORD.findall(lines[-1])}
    named = [i for i, choice in enumerate(choices) if choice.lower() in said]
    return named[0] if len(named) == 1 else None


def process_results(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Metrics of one document: accuracy (an unparsed reply is wrong) and whether it parsed."""
    found = parse_option(results[0], doc["choices"])
    return {"acc": float(found == doc["gold"]), "parsed": float(found is not None)}
