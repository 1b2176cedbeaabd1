"""Words that are made up for a text, so that to find a word again is what can be learnt from it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from oodrop.perturbers.rng import below, choose
from oodrop.tasks.procedural.compact.lexicon import SEEN, UNSEEN, Lexicon

MADE_UP = 0.5
LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Words to make up for a text.
_COUNTS = {"verbs": 8, "roles": 5, "things": 2}
_MORE_COUNTS = {"units": 4, "parts": 4, "states": 4, "people": 12}
_ONSETS = (
    "b", "bl", "br", "c", "ch", "cl", "cr", "d", "dr", "f", "fl", "fr", "g", "gl", "gr", "h", "j",
    "k", "l", "m", "n", "p", "pl", "pr", "r", "s", "sh", "sl", "sm", "sp", "st", "sw", "t", "th",
    "tr", "v", "w",
)  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "oo")
_CODAS = (
    "b", "ck", "d", "ft", "g", "l", "ld", "ll", "m", "mp", "n", "nd", "nk", "p", "r", "rd", "rk",
    "rn", "s", "sh", "ss", "st", "t", "th", "x",
)  # fmt: skip
_MORE_VOWELS = ("y", "ee", "ia", "ie", "io", "oi", "ou", "ui")
_MORE_CODAS = (
    "c", "ct", "g", "ge", "ke", "le", "lt", "mb", "mpt", "ng", "nt", "pt", "rm", "rt", "sk", "sp",
    "tch", "v", "ve", "w", "wn", "ze",
)  # fmt: skip
_KEPT = {
    *UNSEEN.verbs, *UNSEEN.roles, *UNSEEN.things, *UNSEEN.units, *UNSEEN.parts, *UNSEEN.states,
    *(state.removesuffix("ed") for state in UNSEEN.states),
    *(name.lower() for name in UNSEEN.people),
}  # fmt: skip


def draw_words(rng: random.Random, made_up: float = MADE_UP, wild: float = 0.0) -> Lexicon:
    """The half that training may see; or, in a share of the texts, words that nobody has seen.

    So what is learnt is to find a word again, and not which words there are. A share of these
    replaces more kinds of words, by ones of any form.
    """
    if rng.random() >= made_up:
        return SEEN
    is_wild = rng.random() < wild
    counts = {**_COUNTS, **_MORE_COUNTS} if is_wild else _COUNTS
    made = iter(_made_up(rng, sum(counts.values()), _wild if is_wild else _syllables))
    new: dict[str, Any] = {
        kind: tuple(next(made) for _ in range(count)) for kind, count in counts.items()
    }
    if is_wild:
        new["people"] = tuple(name.capitalize() for name in new["people"])
    return replace(SEEN, **new)


def _made_up(rng: random.Random, count: int, make: Callable[[random.Random], str]) -> list[str]:
    """Different words, none of them of the other half."""
    words: list[str] = []
    while len(words) < count:
        word = make(rng)
        if word not in words and word not in _KEPT:
            words.append(word)
    return words


def _syllables(rng: random.Random) -> str:
    """One or two."""
    parts = [choose(rng, _ONSETS), choose(rng, _VOWELS), choose(rng, _CODAS)]
    if rng.random() < 0.5:
        parts += [choose(rng, _VOWELS), choose(rng, _CODAS)]
    return "".join(parts)


def _wild(rng: random.Random) -> str:
    """Up to four syllables with anything before and behind, or letters without any rule.

    Words of real texts are cut into pieces that regular syllables never bring together.
    """
    if rng.random() < 0.3:
        return "".join(choose(rng, LETTERS) for _ in range(3 + below(rng, 6)))
    word = ""
    while len(word) < 3 or (len(word) < 8 and rng.random() < 0.6):
        before, behind = rng.random() < 0.6, rng.random() < 0.7
        word += choose(rng, _ONSETS) if before else ""
        word += choose(rng, (*_VOWELS, *_MORE_VOWELS))
        word += choose(rng, (*_CODAS, *_MORE_CODAS)) if behind else ""
    return word
