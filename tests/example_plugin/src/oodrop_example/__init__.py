"""Two perturbers: words without vowels, as in notes, and lines broken as in a plain e-mail."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from oodrop.perturbers import Edit, Item, NotApplicable, Proposal, Replace, perturber
from oodrop.perturbers.wordedits import edit_words

_VOWEL = re.compile(r"[aeiou]")


@perturber("lexical.example_no_vowels", evidence="checked")
def no_vowels(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """Inner vowels of a word are left out, as in hasty notes (package, pckge).

    First and last letter stay; words of at least six letters, so that they can still be read.
    """
    return edit_words(item, rng, severity, _without_vowels, min_len=6)


def _without_vowels(word: str, rng: random.Random) -> str | None:
    return word[0] + _VOWEL.sub("", word[1:-1]) + word[-1]


@perturber("lexical.example_line_wrap", evidence="checked", parameters={"width": ("40", "72")})
def line_wrap(item: Item, rng: random.Random, *, width: str) -> Sequence[Edit] | NotApplicable:
    """Text is broken into lines of at most so many characters, as in a plain e-mail.

    Only single blanks outside protected text are exchanged for a line break.
    """
    edits = [
        Replace(name, at, " ", "\n")
        for name, text in item.segments.items()
        for at in _breaks(text, item.spans(name), int(width))
    ]
    return edits or NotApplicable(f"no text is longer than {width} characters")


def _breaks(text: str, spans: Sequence[tuple[int, int]], width: int) -> list[int]:
    """The last blank of each line where the next word would pass the width."""
    inside = {at for start, end in spans for at in range(start, end)}
    found: list[int] = []
    line, last = 0, -1
    for word in re.finditer(r"\S+", text):
        if word.end() - line > width and last > line:
            found.append(last)
            line = last + 1
        at = word.end()
        # A letter with a point or bracket at the start of a line would read as an option's label.
        if text[at : at + 1] == " " and at not in inside and text[at + 1 : at + 3].isalpha():
            last = at
    return found
