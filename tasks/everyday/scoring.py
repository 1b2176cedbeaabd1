"""The answer contract of the free-form view: the last ``ANSWER:`` line decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_LINE = re.compile(r"\banswer\s*[:\-]\s*(.*)", re.I)


def parse_option(reply: str, choices: Sequence[str]) -> int | None:
    """Index of the option that the last ``ANSWER:`` line names; None when it names none, or two."""
    lines = [found[1] for line in reply.split("\n") if (found := _LINE.search(line))]
    if not lines:
        return None
    line, named = lines[-1], []
    for i in sorted(range(len(choices)), key=lambda k: -len(choices[k])):  # the longer one first
        line, count = re.subn(rf"(?<!\w){re.escape(choices[i])}(?!\w)", " ", line, flags=re.I)
        named += [i] * bool(count)
    return named[0] if len(named) == 1 else None


def process_results(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Metrics of one document: accuracy (an unparsed reply is wrong) and whether it parsed."""
    found = parse_option(results[0], doc["choices"])
    return {"acc": float(found == doc["gold"]), "parsed": float(found is not None)}
