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
    named = _named(reply, choices)
    return next(iter(named)) if len(named) == 1 else None


def option_span(reply: str, choices: Sequence[str]) -> tuple[int, int] | None:
    """Where the option that `parse_option` reads is first mentioned; None where it reads none."""
    named = _named(reply, choices)
    return next(iter(named.values())) if len(named) == 1 else None


def _named(reply: str, choices: Sequence[str]) -> dict[int, tuple[int, int]]:
    """Options that the last answer line names, by index: where each stands first in the reply."""
    start, head = _last_line(reply)
    text, named = head[1] if head else "", {}
    start += head.start(1) if head else 0
    for i in sorted(range(len(choices)), key=lambda k: -len(choices[k])):  # the longer one first
        pattern = re.compile(rf"(?<!\w){re.escape(choices[i])}(?!\w)", re.I)
        if mention := pattern.search(text):
            named[i] = (start + mention.start(), start + mention.end())
        text = pattern.sub(lambda gone: " " * len(gone[0]), text)
    return named


def process_results(doc: dict[str, Any], results: Sequence[Any]) -> dict[str, float]:
    """Metrics of one document: accuracy (an unparsed reply is wrong), and how the reply came.

    Over several replies to it their means.
    """
    return over_replies(results[0], lambda reply: _metrics(doc, reply))


def _metrics(doc: dict[str, Any], reply: str) -> dict[str, float]:
    found = parse_option(reply, doc["choices"])
    start, head = _last_line(reply)
    begins = start + head.start() if head and found is not None else None
    return {"acc": float(found == doc["gold"]), **engagement(reply, begins)}


def _last_line(reply: str) -> tuple[int, re.Match[str] | None]:
    """The last line with an answer: where it begins, and what the pattern finds in it."""
    last: tuple[int, re.Match[str] | None] = (0, None)
    for line in re.finditer(r"[^\n]+", reply):
        if found := _LINE.search(line[0]):
            last = (line.start(), found)
    return last
