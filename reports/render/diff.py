"""Word-level difference of two texts, with long unchanged stretches left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Literal

from oodrop.reports.render.text import left_out

Op = Literal["same", "del", "ins", "gap"]

_TOKEN = re.compile(r"\S+\s*|\s+")
# Characters kept on either side of a change.
_CONTEXT = 120
# Word pairs beyond which the differing middle is shown as one change: the matching is quadratic.
_MOST_PAIRS = 1_000_000


@dataclass(frozen=True)
class Segment:
    """A stretch of text: in both, deleted, inserted, or a sentence about what is left out."""

    op: Op
    text: str


def word_diff(before: str, after: str, limit: int) -> tuple[Segment, ...]:
    """`before` against `after`, about `limit` characters long.

    Where both texts fit, nothing is left out. Elsewhere unchanged stretches shrink to the context
    of the changes, and what still does not fit is cut at the end.
    """
    segments = tuple(_marked(_segments(before, after)))
    if _length(segments) <= limit:
        return segments
    if all(s.op == "same" for s in segments):
        return tuple(_cut(segments, limit))
    return tuple(_cut(tuple(_shrunk(segments)), limit))


def _length(segments: Iterable[Segment]) -> int:
    return sum(len(s.text) for s in segments)


def _segments(before: str, after: str) -> Iterator[Segment]:
    a, b = _TOKEN.findall(before), _TOKEN.findall(after)
    head = _common(a, b)
    tail = _common(a[head:][::-1], b[head:][::-1])
    yield from _text("same", a[:head])
    yield from _middle(a[head : len(a) - tail], b[head : len(b) - tail])
    yield from _text("same", a[len(a) - tail :])


def _common(a: list[str], b: list[str]) -> int:
    pairs = zip(a, b, strict=False)
    return next((k for k, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def _middle(a: list[str], b: list[str]) -> Iterator[Segment]:
    if len(a) * len(b) > _MOST_PAIRS:
        yield from _change("".join(a), "".join(b))
        return
    for op, i, i2, j, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if op == "equal":
            yield from _text("same", a[i:i2])
        else:
            yield from _change("".join(a[i:i2]), "".join(b[j:j2]))


def _change(old: str, new: str) -> Iterator[Segment]:
    """Old and new, less the white space with which both end."""
    tail = old[len(old.rstrip()) :]
    same = tail if old.strip() and new.strip() and tail == new[len(new.rstrip()) :] else ""
    yield from _text("del", [old[: len(old) - len(same)]])
    yield from _text("ins", [new[: len(new) - len(same)]])
    yield from _text("same", [same])


def _text(op: Op, tokens: list[str]) -> Iterator[Segment]:
    if text := "".join(tokens):
        yield Segment(op, text)


# --- making changes visible ---------------------------------------------------------------------


def _marked(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Changed line breaks and tabs get a sign; so do spaces where nothing else changed."""
    found = list(segments)
    for k, segment in enumerate(found):
        if segment.op == "same":
            yield segment
            continue
        near = found[max(k - 1, 0) : k + 2]
        others = [s.text for s in near if s.op not in ("same", segment.op)]
        text = segment.text
        if not text.strip() or any(o.split() == text.split() for o in others):
            text = text.replace(" ", "\u00b7")
        yield replace(segment, text=text.replace("\n", "\u21b5\n").replace("\t", "\u2192\t"))


# --- leaving out --------------------------------------------------------------------------------


def _shrunk(segments: tuple[Segment, ...]) -> Iterator[Segment]:
    last = len(segments) - 1
    for k, segment in enumerate(segments):
        head = _CONTEXT if k > 0 else 0
        tail = _CONTEXT if k < last else 0
        spare = len(segment.text) - head - tail
        if segment.op != "same" or spare <= _CONTEXT:
            yield segment
            continue
        yield from _text("same", [segment.text[:head]])
        yield Segment("gap", f"\u2026 {spare:,} unchanged characters \u2026")
        yield from _text("same", [segment.text[len(segment.text) - tail :]])


def _cut(segments: tuple[Segment, ...], limit: int) -> Iterator[Segment]:
    room = limit
    for k, segment in enumerate(segments):
        if len(segment.text) > room:
            yield from _text(segment.op, [segment.text[:room]])
            yield Segment("gap", left_out(_length(segments[k:]) - room))
            return
        room -= len(segment.text)
        yield segment
