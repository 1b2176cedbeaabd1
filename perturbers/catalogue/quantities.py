"""The same quantity in other figures, words or units; equality is proved by a guard."""

from __future__ import annotations

import random
import re
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from oodrop import OodropError
from oodrop.perturbers.edits import Replace
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import NotApplicable, Proposal, perturber
from oodrop.perturbers.wordedits import all_or_nothing

# A bare number or number word: no hyphen, point or further number on either side, and no
# capitalised word in front that it would be the number of (Step 3, Room 7).
_AROUND = (
    r"(?:hundred|thousand|million|billion|dozen|half|third|quarter|point|and a half|percent|January"
    r"|February|March|April|May|June|July|August|September|October|November|December)"
)
_DIGITS = re.compile(
    rf"(?<![\w.,$#£€/:-])(?<!\d )([2-9]|[1-9]\d)(?![\w/:%°-]|[.,]\d| (?:\d|{_AROUND}\b))"
)
_WORDS = re.compile(
    r"(?<![\w-])(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
    rf"(?![\w-]| (?:\d|{_AROUND}\b))",
    re.I,
)
_ANY_NUMBER = {
    "words": re.compile(r"\d+"),
    "digits": re.compile(
        r"\d+|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b", re.I
    ),
}
_NAMED = re.compile(r"\b[A-Z]\w*\s$|(?:^|\n)\s*$|[+=*/^<>]\s?$")
_NUMBER_BEFORE = re.compile(rf"(?:\d|\b{_AROUND}) $", re.I)
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(\s?)([A-Za-z]+)")
_MOST = {"min": 300}
_LOOK_BACK = 60  # characters in front of a number that say whether it is one
# Unit to the unit that people would also use for such an amount.
_OTHER_UNIT = {
    "min": "h", "h": "min", "minute": "hour", "minutes": "hours", "hour": "minutes",
    "hours": "minutes", "second": "minutes", "seconds": "minutes", "mL": "L", "L": "mL",
    "mg": "g", "g": "mg", "kg": "g", "mm": "cm", "cm": "mm", "m": "cm", "km": "m",
    "milliliters": "liters", "liters": "milliliters", "liter": "milliliters",
    "grams": "kilograms", "kilograms": "grams", "kilogram": "grams", "meters": "centimeters",
    "meter": "centimeters", "kilometers": "meters", "kilometer": "meters",
}  # fmt: skip


@perturber("lexical.number_word", evidence="proved", parameters={"to": ("words", "digits")})
def number_word(item: Item, rng: random.Random, *, to: str) -> Proposal | NotApplicable:
    """Numbers are written in words, or number words in figures (7, seven), all that stand alone.

    Figures from 2 to 99 and words from two to twelve, without unit, sign or formula; "one" is
    more often a pronoun and stays. num2words writes; a guard reads both sides back.
    """
    edits = []
    for name, text in item.segments.items():
        spans = frozenset(item.spans(name))
        numbers = list((_DIGITS if to == "words" else _WORDS).finditer(text))
        alone = all(n.span(1) in spans and _stands_alone(text, n.start()) for n in numbers)
        # In one text either all numbers are written this way or all the other.
        if alone and len(numbers) == len(_ANY_NUMBER[to].findall(text)):
            edits += [Replace(name, n.start(1), n[1], _rewritten(n[1], to)) for n in numbers]
    return all_or_nothing(edits)


def _stands_alone(text: str, start: int) -> bool:
    head = text[max(0, start - _LOOK_BACK) : start]
    return not _NAMED.search(head) and not _NUMBER_BEFORE.search(head)


def _rewritten(number: str, to: str) -> str:
    return _in_words(int(number)) if to == "words" else _in_figures(number)


@cache
def _in_words(value: int) -> str:
    try:
        from num2words import num2words
    except ImportError as error:
        raise OodropError(
            f"lexical.number_word needs num2words: install the extra 'eval', oodrop[eval] ({error})"
        ) from None
    return str(num2words(value, lang="en"))


@cache
def _in_figures(word: str) -> str:
    return str(next(value for value in range(2, 13) if _in_words(value) == word.lower()))


@perturber("lexical.unit_form", evidence="proved")
def unit_form(item: Item, rng: random.Random) -> Proposal | NotApplicable:
    """Quantities are given in another unit of the same kind (90 min, 1.5 h), exactly.

    Only where the new figure is one that people would use (from 1 to 1,000 with at most one
    decimal, at most 300 minutes), and not where the text speaks of the other unit itself.
    pint converts, in fractions; a guard with factors of its own compares.
    """
    edits = []
    for name, text in item.segments.items():
        for start, end in item.spans(name):
            after = _converted(text[start:end])
            if after is not None and not _speaks_of(text, after):
                edits.append(Replace(name, start, text[start:end], after))
    return all_or_nothing(edits)


@lru_cache(maxsize=1024)
def _speaks_of(text: str, quantity: str) -> bool:
    """Whether the text names the unit, as in "an hour has 60 minutes"."""
    unit = quantity.lstrip("0123456789. ").removesuffix("s")
    return re.search(rf"\b{unit}s?\b", text) is not None


@cache
def _converted(quantity: str) -> str | None:
    found = _QUANTITY.fullmatch(quantity)
    if not found or found[3] not in _OTHER_UNIT:
        return None
    unit = _OTHER_UNIT[found[3]]
    value = _convert(Fraction(found[1]), found[3], unit)
    if not 1 <= value <= _MOST.get(unit[:3], 1000) or (value * 10).denominator != 1:
        return None
    figure = f"{float(value):.1f}".removesuffix(".0")
    if figure == "1" and unit.endswith("s"):
        unit = unit[:-1]
    return f"{figure}{found[2]}{unit}"


def _convert(value: Fraction, unit: str, other: str) -> Fraction:
    registry = _registry()
    converted = registry.Quantity(value, unit).to(other)
    return Fraction(converted.magnitude)


@cache
def _registry() -> Any:
    try:
        import pint
    except ImportError as error:
        raise OodropError(
            f"lexical.unit_form needs pint: install the extra 'eval', oodrop[eval] ({error})"
        ) from None
    return pint.UnitRegistry(non_int_type=Fraction)
