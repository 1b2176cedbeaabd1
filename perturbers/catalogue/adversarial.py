"""Look-alike and invisible characters: no natural variation, reported apart from the families."""

from __future__ import annotations

import random
from collections.abc import Callable

from oodrop.perturbers.item import Item
from oodrop.perturbers.lookalikes import HOMOGLYPHS, INVISIBLE, LEET
from oodrop.perturbers.registry import NotApplicable, Proposal, perturber
from oodrop.perturbers.wordedits import edit_words


@perturber("adversarial.homoglyph", evidence="checked")
def homoglyph(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A letter of a word becomes a Cyrillic or Greek one that is drawn the same.

    Source: Unicode Technical Standard 39, confusables; letters with the same shape in common
    fonts. A guard maps it back.
    """
    return edit_words(item, rng, severity, _by(HOMOGLYPHS.get, letters=1))


@perturber("adversarial.leet", evidence="checked")
def leet(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """Every a, e, i and o of a word becomes 4, 3, 1 and 0; two letters stay at least."""
    return edit_words(item, rng, severity, _by(lambda c: LEET.get(c.lower()), letters=None))


def _by(
    replace: Callable[[str], str | None], letters: int | None
) -> Callable[[str, random.Random], str | None]:
    def edit(word: str, rng: random.Random) -> str | None:
        places = [k for k, c in enumerate(word) if replace(c) is not None]
        if not places:
            return None
        if letters is not None:
            places = [places[int(rng.random() * len(places))]]
        return "".join(replace(c) or c if k in places else c for k, c in enumerate(word))

    return edit


@perturber("adversarial.invisible", evidence="checked")
def invisible(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A character that is not drawn (zero-width space or joiner, soft hyphen) stands in a word.

    Source: Boucher et al. 2022, "Bad characters: imperceptible NLP attacks", IEEE S&P.
    """
    return edit_words(item, rng, severity, _hidden)


def _hidden(word: str, rng: random.Random) -> str:
    at = 1 + int(rng.random() * (len(word) - 1))
    return word[:at] + INVISIBLE[int(rng.random() * len(INVISIBLE))] + word[at:]
