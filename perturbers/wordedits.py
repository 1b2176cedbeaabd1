"""Editing a severity's share of the words or places of an item, nested from level to level."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
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
_ABOUT_WORDS = re.compile(
    r"\b(?:spell(?:s|t|ed|ing)?|misspell\w*|rhym\w+|vowels?|consonants?|syllables?|alphabet\w*"
    r"|plurals?|prefix(?:es)?|suffix(?:es)?|synonyms?|antonyms?|homophones?|punctuation"
    r"|apostrophes?|uppercase|lowercase|capital letters?|contractions?|abbreviations?"
    r"|opposites?(?= of)"
    r"|(?:first|last|which|what|many|the) letters?(?= (?:of|in|comes|does|is)))\b",
    re.I,
)


def edit_words(
    item: Item,
    rng: random.Random,
    severity: int,
    edit: WordEdit,
    *,
    min_len: int = 4,
    eligible: Callable[[Word], bool] | None = None,
    makes_words: bool = False,
) -> Proposal | NotApplicable:
    """Edit the severity's share of the eligible words of an item, at least one.

    Eligible are words of ``min_len`` letters outside the protected text for which ``eligible``
    holds. An edit that gives protected text is not made, nor one that gives another English word
    (it could change the meaning), unless ``makes_words`` says that a closed table vouches for it.
    """
    if is_about_words(item):
        return ABOUT_WORDS
    words = item.words(min_len)
    if eligible is not None:
        words = tuple(word for word in words if eligible(word))

    def replacement(word: Word) -> Replace | None:
        after = edit(word.text, rng)
        if after is None or after == word.text:
            return None
        if not is_harmless(after) and not disguises(word.text, after):
            return None
        if not makes_words and is_word(after):
            return None
        return Replace(word.segment, word.start, word.text, after)

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
    head = text[: word.start].rstrip()
    return word.text.istitle() and (not head or head[-1] in ".?!:")


def is_about_words(item: Item) -> bool:
    """Whether the item asks about spelling, sound or grammar: then the very letters matter."""
    question = item.segments.get("question", "")
    return _ABOUT_WORDS.search(question) is not None
