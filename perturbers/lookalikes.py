"""Characters that look like a letter, or like nothing, and the check that undoes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

# What is read as the letter in "leetspeak"; the four that are read at a glance.
LEET: Mapping[str, str] = {"a": "4", "e": "3", "i": "1", "o": "0"}
# Figures that optical recognition reads for a letter.
OCR_DIGITS: Mapping[str, str] = {"l": "1", "o": "0", "s": "5", "b": "6"}
# Cyrillic and Greek letters drawn as the Latin ones in common fonts (Unicode TR 39, confusables).
HOMOGLYPHS: Mapping[str, str] = {
    "a": "\u0430", "c": "\u0441", "e": "\u0435", "i": "\u0456", "j": "\u0458", "o": "\u043e",
    "p": "\u0440", "s": "\u0455", "x": "\u0445", "y": "\u0443", "A": "\u0410", "B": "\u0412",
    "C": "\u0421", "E": "\u0415", "H": "\u041d", "I": "\u0406", "J": "\u0408", "K": "\u041a",
    "M": "\u041c", "O": "\u041e", "P": "\u0420", "S": "\u0405", "T": "\u0422", "X": "\u0425",
    "Y": "\u03a5", "Z": "\u0396", "N": "\u039d",
}  # fmt: skip
# Zero-width space, non-joiner, joiner, word joiner, soft hyphen.
INVISIBLE = "\u200b\u200c\u200d\u2060\u00ad"

_READ_AS: dict[str, frozenset[str]] = {}
for _table in (LEET, OCR_DIGITS, HOMOGLYPHS):
    for _letter, _like in _table.items():
        _READ_AS[_like] = _READ_AS.get(_like, frozenset()) | {_letter}
_DROP = {ord(c): None for c in INVISIBLE}


@lru_cache(maxsize=65536)
def disguises(before: str, after: str) -> bool:
    """Whether ``after`` is the word ``before`` with look-alike or invisible characters.

    At least two of its letters stay, so that a word never becomes a number.
    """
    seen = after if after.isascii() else after.translate(_DROP)
    if len(seen) != len(before) or not before.isalpha():
        return False
    for old, new in zip(before, seen, strict=True):
        if new != old:
            letters = _READ_AS.get(new, ())
            if old not in letters and old.lower() not in letters:
                return False
    return sum(map(str.isalpha, seen)) >= 2
