"""Lexical perturbers: the spelling of words changes, the words stay recognisable."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from oodrop.perturbers.edits import Edit, Replace
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import SEVERITY_FRACTION, NotApplicable, perturber
from oodrop.perturbers.spans import eligible_words, protected_spans
from oodrop.perturbers.words import is_word

# Letters that touch each other on a US QWERTY keyboard (rows as staggered on ANSI layouts).
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    result: dict[str, str] = {}
    for r, row in enumerate(_ROWS):
        for c, letter in enumerate(row):
            near = [row[c - 1 : c], row[c + 1 : c + 2]]
            if r > 0:
                near.append(_ROWS[r - 1][c : c + 2])
            if r < 2:
                near.append(_ROWS[r + 1][max(c - 1, 0) : c + 1])
            result[letter] = "".join(near)
    return result


NEIGHBOURS = _neighbours()
# Word and two uniform draws of its own in, new word or None (cannot be edited) out.
WordEdit = Callable[[str, float, float], str | None]


def edit_words(
    item: Item,
    rng: random.Random,
    severity: int,
    edit: WordEdit,
    min_len: int = 4,
    eligible: Callable[[str], bool] = bool,
) -> Sequence[Edit] | NotApplicable:
    """Edit the severity's fraction of the eligible words of an item, at least one.

    Eligible are words of ``min_len`` letters outside the protected text for which ``eligible``
    holds (by default all of them).
    The words are tried in a random order that does not depend on the severity, and each has its
    own draws, so that the edits of a higher severity contain those of a lower one. An edit that
    gives another English word, or protected text, is not made: it could change the meaning.
    """
    words = [
        (rng.random(), rng.random(), rng.random(), name, start, end)
        for name, text in item.segments.items()
        for start, end in eligible_words(text, item.protected, min_len)
        if eligible(text[start:end])
    ]
    wanted = max(1, math.floor(SEVERITY_FRACTION[severity] * len(words) + 0.5))
    edits: list[Edit] = []
    for _, first, second, name, start, end in sorted(words):
        if len(edits) == wanted:
            break
        word = item.segments[name][start:end]
        after = edit(word, first, second)
        if after is None or after == word or is_word(after) or protected_spans(after):
            continue
        edits.append(Replace(name, start, word, after))
    return edits or NotApplicable("no word outside the protected text can be edited")


@perturber("lexical.keyboard_typo", evidence="checked")
def keyboard_typo(
    item: Item, rng: random.Random, *, severity: int
) -> Sequence[Edit] | NotApplicable:
    """One inner letter of a word becomes a letter beside it on a QWERTY keyboard.

    Words of at least four letters; first and last letter stay, as readers recognise words by
    them (Rayner et al. 2006, "Raeding wrods with jubmled lettres").
    """
    return edit_words(item, rng, severity, _neighbour_typo)


def _neighbour_typo(word: str, first: float, second: float) -> str | None:
    place = 1 + int(first * (len(word) - 2))
    options = NEIGHBOURS.get(word[place].lower())
    if options is None:
        return None
    letter = options[int(second * len(options))]
    letter = letter.upper() if word[place].isupper() else letter
    return word[:place] + letter + word[place + 1 :]
