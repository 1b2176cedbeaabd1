"""Which edits of protected text keep its meaning, decided by program from the two texts alone.

A guard asks here, never the perturber that made the edit: what wrote "1.5 h" is not what says that
it is 90 minutes.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal

from oodrop.perturbers.lookalikes import disguises
from oodrop.perturbers.spans import is_vocabulary, protected_spans

Equivalence = Literal["case", "look-alike", "contraction", "number", "quantity"]

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORD_VALUES = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
# Exact factors to one base unit per dimension, by definition (SI Brochure, 9th edition, table 8).
_UNIT_FACTORS: dict[str, tuple[str, Fraction]] = {
    name: (dimension, Fraction(factor))
    for dimension, names, factor in (
        ("time", "s second seconds", "1"),
        ("time", "min minute minutes", "60"),
        ("time", "h hour hours", "3600"),
        ("time", "d day days", "86400"),
        ("length", "mm millimeter millimeters millimetre millimetres", "1/1000"),
        ("length", "cm centimeter centimeters centimetre centimetres", "1/100"),
        ("length", "m meter meters metre metres", "1"),
        ("length", "km kilometer kilometers kilometre kilometres", "1000"),
        ("mass", "mg milligram milligrams", "1/1000"),
        ("mass", "g gram grams", "1"),
        ("mass", "kg kilogram kilograms", "1000"),
        ("volume", "mL milliliter milliliters millilitre millilitres", "1/1000"),
        ("volume", "L liter liters litre litres", "1"),
        ("share", "% percent", "1"),
    )
    for name in names.split()
}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s?([A-Za-z]+|%)")
_NUMERAL = re.compile(r"\d+(?:\.\d+)?")
_IRREGULAR = {"can't": "cannot", "won't": "will not", "shan't": "shall not"}


def equivalence(before: str, after: str) -> Equivalence | None:
    """How the two texts mean the same although protected text is among them; None if not shown."""
    if before.casefold() == after.casefold():
        return "case" if _only_words_protected(before) else None
    if disguises(before, after):
        return "look-alike"
    if "not" in before.casefold() or "n't" in before.casefold().replace("’", "'"):
        return "contraction" if _expanded(before) == _expanded(after) else None
    one, other = _number(before), _number(after)
    if one is not None and one == other:
        return "number"
    here, there = _quantity(before), _quantity(after)
    return "quantity" if here is not None and here == there else None


def _only_words_protected(text: str) -> bool:
    """Numbers, units, code and the like depend on case; negations and comparators do not."""
    return all(is_vocabulary(text[a:b]) for a, b in protected_spans(text))


def _expanded(text: str) -> str:
    words = text.casefold().replace("’", "'").replace("can not", "cannot").split(" ")
    return " ".join(
        _IRREGULAR.get(w) or (w[:-3] + " not" if w.endswith("n't") else w) for w in words
    )


def _number(text: str) -> Fraction | None:
    """The value of "7", "seven", "forty-two" or "three hundred"; None for anything else."""
    if _NUMERAL.fullmatch(text):
        return Fraction(text)
    words = text.casefold().replace("-", " ").split(" ")
    hundreds = 0
    if len(words) >= 2 and words[1] == "hundred" and 1 <= _WORD_VALUES.get(words[0], 0) <= 9:
        hundreds = 100 * _WORD_VALUES[words[0]]
        words = words[3:] if words[2:3] == ["and"] and words[3:] else words[2:]
        if not words:
            return Fraction(hundreds)
    values = [_WORD_VALUES.get(w) for w in words]
    match values:
        case [int(value)]:
            return Fraction(hundreds + value)
        case [int(tens), int(ones)] if tens >= 20 and 1 <= ones <= 9:
            return Fraction(hundreds + tens + ones)
    return None


def _quantity(text: str) -> tuple[str, Fraction] | None:
    """Dimension and value in base units of "90 min"; None for anything else."""
    found = _QUANTITY.fullmatch(text)
    if not found or found[2] not in _UNIT_FACTORS:
        return None
    dimension, factor = _UNIT_FACTORS[found[2]]
    return dimension, Fraction(found[1]) * factor
