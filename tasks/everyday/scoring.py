"""The answer contract of the free-form view: the last ``ANSWER:`` line decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_LINE = re.compile(r"\banswer\s*[:\-]\s*(.*)", re.I)


def parse_option(reply: str, choices: Sequence[str]) -> int | None:
    """Index of the option that the last ``ANSWER:`` line names; None when it names none, or two."""
    named = _named(reply, choices)
    return next(iter(named)) if len(named) == 1 else None


def option_span(reply: str, choices: Sequence[str]) -> tuple[int, int] | None:
    """Where the option that `parse_option` reads is first mentioned; None where it reads none."""
    named = _named(reply, choices)
    return next(iter(named.values())) if len(named) == 1 else None


def _named(reply: str, choices: Sequence[str]) -> dict[int, tuple[int, int]]:
    """Options that the last answer line names, by index: where each stands first in the reply."""
    start, head = 0, None
    for line in re.finditer(r"[^\n]+", reply):
        if found := _LINE.search(line[0]):
            start, head = line.start() + found.start(1), found
    text, named = head[1] if head else "", {}
    for i in sorted(range(len(choices)), key=lambda k: -len(choices[k])):  # the longer one first
        pattern = re.compile(rf"(?<!\w){re.escape(choices[i])}(?!\w)", re.I)
        if mention := pattern.search(text):
            named[i] = (start + mention.start(), start + mention.end())
        text = pattern.sub(lambda gone: " " * len(gone[0]), text)
    return named


def process_results(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Metrics of one document: accuracy (an unparsed reply is wrong) and whether it parsed."""
    found = parse_option(results[0], doc["choices"])
    return {"acc": float(found == doc["gold"]), "parsed": float(found is not None)}
