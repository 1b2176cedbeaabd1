"""Slips of the fingers, of spelling, of recognition and of hearing: single words, misspelled."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

from oodrop import OodropError
from oodrop.perturbers.item import Item
from oodrop.perturbers.lookalikes import OCR_DIGITS
from oodrop.perturbers.registry import NotApplicable, Proposal, perturber
from oodrop.perturbers.tables import table
from oodrop.perturbers.wordedits import edit_words
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
# Groups of letters whose print looks like another group: what recognition of scans confuses
# (Nguyen et al. 2019, "Deep statistical analysis of OCR errors", JCDL; the classes of table 5).
OCR_LETTERS: Mapping[str, str] = {
    "rn": "m", "m": "rn", "cl": "d", "d": "cl", "vv": "w", "w": "vv", "h": "b", "e": "c",
    "c": "e", "i": "l", "t": "f", "f": "t", "u": "n", "n": "u", "li": "h", "a": "o", "v": "y",
}  # fmt: skip


@perturber("lexical.keyboard_typo", version="2.0", evidence="checked")
def keyboard_typo(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """One inner letter of a word becomes a letter beside it on a QWERTY keyboard.

    Words of at least four letters; first and last letter stay, as readers recognise words by
    them (Rayner et al. 2006, "Raeding wrods with jubmled lettres").
    """
    return edit_words(item, rng, severity, _neighbour_typo)


def _neighbour_typo(word: str, rng: random.Random) -> str | None:
    place = 1 + int(rng.random() * (len(word) - 2))
    old = word[place]
    options = NEIGHBOURS.get(old.lower())
    if options is None:
        return None
    letter = options[int(rng.random() * len(options))]
    return word[:place] + (letter.upper() if old.isupper() else letter) + word[place + 1 :]


@perturber(
    "lexical.char_edit",
    evidence="checked",
    parameters={"action": ("swap", "insert", "delete", "repeat")},
)
def char_edit(
    item: Item, rng: random.Random, *, action: str, severity: int
) -> Proposal | NotApplicable:
    """Two inner letters change places, or one is inserted, lost or doubled.

    The four slips of Damerau (1964, "A technique for computer detection and correction of
    spelling errors"); words of at least five letters, first and last letter stay.
    """
    return edit_words(item, rng, severity, _SLIPS[action], min_len=5)


def _swap(word: str, rng: random.Random) -> str | None:
    at = 1 + int(rng.random() * (len(word) - 3))
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _insert(word: str, rng: random.Random) -> str | None:
    at = 1 + int(rng.random() * (len(word) - 2))
    options = NEIGHBOURS.get(word[at].lower())
    if options is None or word[at].isupper():
        return None
    return word[:at] + options[int(rng.random() * len(options))] + word[at:]


def _delete(word: str, rng: random.Random) -> str | None:
    at = 1 + int(rng.random() * (len(word) - 2))
    return word[:at] + word[at + 1 :]


def _repeat(word: str, rng: random.Random) -> str | None:
    at = 1 + int(rng.random() * (len(word) - 2))
    return word[: at + 1] + word[at:]


_SLIPS = {"swap": _swap, "insert": _insert, "delete": _delete, "repeat": _repeat}


@perturber("lexical.misspelling", evidence="checked")
def misspelling(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A word becomes a misspelling of it that people have made.

    Source: the list of human misspellings that nlpaug ships (``spelling_en.txt``), for words of
    five letters and more; without those that are words or other forms of the word, begin with
    another letter, or are further away than one slip (two from eight letters on): the list holds
    slips of the fingers and other words, too.
    """
    return edit_words(item, rng, severity, _misspelled, min_len=5, known=misspellings())


def _misspelled(word: str, rng: random.Random) -> str | None:
    options = misspellings()[word.lower()]
    return like(word, options[int(rng.random() * len(options))])


@cache
def misspellings() -> Mapping[str, tuple[str, ...]]:
    """Lower-case word to its misspellings, those that are no words, sorted.

    Raises:
        OodropError: when nlpaug, which holds the list, is not installed.
    """
    spec = find_spec("nlpaug")
    if spec is None or spec.origin is None:
        raise OodropError(
            "lexical.misspelling reads the list of nlpaug: install the extra 'eval', oodrop[eval]"
        )
    path = Path(spec.origin).parent / "res" / "word" / "spelling" / "spelling_en.txt"
    found: dict[str, set[str]] = {}
    for line in path.read_text("utf-8").split("\n"):
        right, *wrong = line.lower().split() or [""]
        found.setdefault(right, set()).update(w for w in wrong if w.isalpha() and w != right)
    cleaned = {
        right: tuple(sorted(w for w in wrong if _is_slip(right, w) and not is_word(w)))
        for right, wrong in found.items()
        if right.isalpha()
    }
    return {right: wrong for right, wrong in cleaned.items() if wrong}


def _is_slip(right: str, wrong: str) -> bool:
    if len(right) < 5 or wrong.removeprefix(right) in _ENDINGS:
        return False
    return right[0] == wrong[0] and slips(right, wrong) <= (1 if len(right) < 8 else 2)


_ENDINGS = ("s", "es", "d", "ed", "e", "r", "er", "y", "ly", "ing", "n", "t")


def slips(one: str, other: str) -> int:
    """Letters lost, added, exchanged or swapped with their neighbour between two words.

    The optimal string alignment distance: Damerau 1964 without editing a place twice.
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        now = [i]
        for j, b in enumerate(other, 1):
            best = min(row[j] + 1, now[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            now.append(best)
        before, row = row, now
    return row[-1]


@perturber("lexical.ocr_noise", evidence="checked")
def ocr_noise(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A letter or pair inside a word becomes what a scanner takes it for (rn and m, l and 1).

    Source: classes of recognition errors in Nguyen et al. 2019, "Deep statistical analysis of OCR
    errors", JCDL; first letter stays.
    """
    return edit_words(item, rng, severity, _misread)


def _misread(word: str, rng: random.Random) -> str | None:
    readings = _readings(word)
    return readings[int(rng.random() * len(readings))] if readings else None


@lru_cache(maxsize=65536)
def _readings(word: str) -> tuple[str, ...]:
    return tuple(
        word[:at] + read + word[at + len(group) :]
        for at in range(1, len(word))
        for group, read in _OCR.get(word[at], ())
        if word.startswith(group, at)
    )


_OCR: dict[str, tuple[tuple[str, str], ...]] = {}
for _table in (OCR_LETTERS, OCR_DIGITS):
    for _group, _read in _table.items():
        _OCR[_group[0]] = (*_OCR.get(_group[0], ()), (_group, _read))


@perturber("lexical.homophone", evidence="checked")
def homophone(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A word becomes one that sounds the same, as in hasty writing or dictation (their, there).

    Source: a closed table of confusions that readers take for slips, read entry by entry.
    """
    known = table("homophones")
    return edit_words(
        item,
        rng,
        severity,
        lambda word, r: like(word, known[word.lower()][int(r.random() * len(known[word.lower()]))]),
        min_len=3,
        known=known,
        names_too=False,
        makes_words=True,
    )


def like(word: str, replacement: str) -> str:
    """The replacement with the capitals of the word: none, the first, or all."""
    if word.islower():
        return replacement
    if word.isupper() and len(word) > 1:
        return replacement.upper()
    return replacement[:1].upper() + replacement[1:] if word[:1].isupper() else replacement
