"""Editing a severity's share of the words or places of an item, nested from level to level."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Container, Sequence
from typing import TypeVar

from oodrop.perturbers.edits import Replace
from oodrop.perturbers.item import Item, Word
from oodrop.perturbers.lookalikes import disguises
from oodrop.perturbers.registry import SEVERITY_FRACTION, NotApplicable, Proposal
from oodrop.perturbers.spans import is_harmless
from oodrop.perturbers.words import is_word

Place = TypeVar("Place")
# Word and generator in, new word or None (cannot be edited) out.
WordEdit = Callable[[str, random.Random], str | None]
NOTHING = NotApplicable("no word outside the protected text can be edited")
ABOUT_WORDS = NotApplicable("the question is about words or letters themselves")
_JOINTS = ("-", "'", "’")


def edit_words(
    item: Item,
    rng: random.Random,
    severity: int,
    edit: WordEdit,
    *,
    min_len: int = 4,
    known: Container[str] | None = None,
    names_too: bool = True,
    makes_words: bool = False,
) -> Proposal | NotApplicable:
    """Edit the severity's share of the eligible words of an item, at least one.

    Eligible are words of ``min_len`` letters outside the protected text: of a table, those that it
    knows in small letters; without names and parts of words unless ``names_too``. An edit that
    gives protected text is not made, nor one that gives another English word (it could change the
    meaning), unless ``makes_words`` says that a closed table vouches for it.
    """
    if item.is_about_words:
        return ABOUT_WORDS
    words: Sequence[Word] = item.words(min_len)
    if known is not None:
        words = [word for word in words if word.lower in known]
    if not names_too:
        words = [word for word in words if is_common(item, word)]

    def replacement(word: Word) -> Replace | None:
        segment, start, text, _ = word
        after = edit(text, rng)
        if after is None or after == text:
            return None
        if not is_harmless(after) and not disguises(text, after):
            return None
        if not makes_words and is_word(after):
            return None
        return Replace(segment, start, text, after)

    return edit_share(words, rng, severity, replacement)


def edit_share(
    places: Sequence[Place],
    rng: random.Random,
    severity: int,
    edit: Callable[[Place], Replace | None],
) -> Proposal | NotApplicable:
    """Edit the severity's share of the places, at least one, skipping those without an edit.

    The places are tried in a random order, each with the draws that follow. A higher severity goes
    on where a lower one stopped, so its edits contain those of the lower one.
    """
    total = len(places)
    wanted = max(1, math.floor(SEVERITY_FRACTION[severity] * total + 0.5))
    order = list(range(total))
    draw = rng.random
    edits: list[Replace] = []
    for i in range(total):
        j = i + int(draw() * (total - i))  # the next step of a Fisher-Yates shuffle
        order[i], order[j] = order[j], order[i]
        done = edit(places[order[i]])
        if done is not None:
            edits.append(done)
            if len(edits) == wanted:
                break
    return Proposal(edits, total) if edits else NOTHING


def all_or_nothing(edits: list[Replace], eligible: int | None = None) -> Proposal | NotApplicable:
    """Every place that can be edited is: for changes that would look odd in some places only."""
    return Proposal(edits, eligible or len(edits)) if edits else NOTHING


def is_common(item: Item, word: Word) -> bool:
    """Whether the word stands alone and is no name: small letters, or a capital at the start."""
    text = item.segments[word.segment]
    end = word.start + len(word.text)
    if text[word.start - 1 : word.start] in _JOINTS or text[end : end + 1] in _JOINTS:
        return False
    if word.text.islower():
        return True
    head = text[max(0, word.start - 9) : word.start].rstrip()
    return word.text.istitle() and (not head or head[-1] in ".?!:")
