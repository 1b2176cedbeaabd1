"""The answer contract of the free-form view: the last ``ANSWER:`` line decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from oodrop.tasks.engagement import engagement
from oodrop.tasks.repeats import over_replies

_LINE = re.compile(r"\banswer\s*[:\-]\s*(.*)", re.I)


def parse_option(reply: str, choices: Sequence[str]) -> int | None:
    """Index of the option that the last ``ANSWER:`` line names; None when it names none, or two."""
    last = _answer_line(reply)
    if last is None:
        return None
    line, named = last[1], []
    for i in sorted(range(len(choices)), key=lambda k: -len(choices[k])):  # the longer one first
        line, count = re.subn(rf"(?<!\w){re.escape(choices[i])}(?!\w)", " ", line, flags=re.I)
        named += [i] * bool(count)
    return named[0] if len(named) == 1 else None


def process_results(doc: dict[str, Any], results: Sequence[Any]) -> dict[str, float]:
    """Metrics of one document: accuracy (an unparsed reply is wrong), and how the reply came.

    Over several replies to it their means.
    """
    return over_replies(results[0], lambda reply: _metrics(doc, reply))


def _metrics(doc: dict[str, Any], reply: str) -> dict[str, float]:
    found = parse_option(reply, doc["choices"])
    line = _answer_line(reply) if found is not None else None
    return {"acc": float(found == doc["gold"]), **engagement(reply, line and line[0])}


def _answer_line(reply: str) -> tuple[int, str] | None:
    """Where the last answer stands, and what its line says after it."""
    start, last = 0, None
    for line in reply.split("\n"):
        if found := _LINE.search(line):
            last = (start + found.start(), found[1])
        start += len(line) + 1
    return last
