"""Measures of two texts: how far apart they are, and whether one is harder to read.

A variant that is longer, fuller of figures or harder to read than the canonical prompt may lower
an accuracy for that reason alone, so these are measured and stand beside the drop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from oodrop.perturbers.edits import Edit, Replace

TokenCount = Callable[[str], int]

_NUMERAL = re.compile(r"\d+(?:[.,:/]\d+)*")
_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")
# A point before a small letter ("a.m. the") ends no sentence; a line break does.
_SENTENCE_END = re.compile(r"[.?!]+[\"'”’)\]]*(?=\s+[^\sa-z]|\s*\Z)|\n+")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(r"(?<=[^aeiouy])(?:(?<![sxzcgt])es|(?<![td])ed|(?<!l)e|(?<=[aeiouy]l)e)$")


@dataclass(frozen=True, slots=True)
class TextMeasures:
    """What is counted of one text; ``grade`` is None where there is no word."""

    characters: int
    words: int
    numerals: int
    tokens: int
    grade: float | None


@dataclass(frozen=True, slots=True)
class Balance:
    """How a variant's prompt differs from the canonical one in bulk and difficulty.

    Attributes:
        length: relative change in characters (0.1 is a tenth more); None where there were none.
        words: relative change in words; None where there were none.
        numerals: change in the number of numerals.
        grade: change in the Flesch-Kincaid grade, in school years; None without words.
        tokens: relative change in tokens (token inflation); None where there were none.
    """

    length: float | None
    words: float | None
    numerals: int
    grade: float | None
    tokens: float | None


def words_and_marks(text: str) -> int:
    """Words and punctuation marks: stands in for tokens where no tokenizer is given."""
    return len(_WORD_OR_MARK.findall(text))


def measure(text: str, count_tokens: TokenCount = words_and_marks) -> TextMeasures:
    """Count what a text is made of; a word has a letter or digit, and no blank."""
    return TextMeasures(
        characters=len(text),
        words=len(_words(text)),
        numerals=len(_NUMERAL.findall(text)),
        tokens=count_tokens(text),
        grade=reading_grade(text),
    )


def balance(before: TextMeasures, after: TextMeasures) -> Balance:
    """The change from the canonical prompt to the variant's."""
    graded = before.grade is not None and after.grade is not None
    return Balance(
        length=_relative(before.characters, after.characters),
        words=_relative(before.words, after.words),
        numerals=after.numerals - before.numerals,
        grade=after.grade - before.grade if graded else None,  # type: ignore[operator]
        tokens=_relative(before.tokens, after.tokens),
    )


def _relative(before: int, after: int) -> float | None:
    return (after - before) / before if before else None


def reading_grade(text: str) -> float | None:
    """Flesch-Kincaid grade of English text; None where there is no word.

    Source: Kincaid et al. 1975, "Derivation of new readability formulas for Navy enlisted
    personnel", Naval Technical Training Command, report 8-75: 0.39 words per sentence + 11.8
    syllables per word - 15.59. Syllables are estimated from spelling: differences between two
    forms of one text are what it is for, not the grade itself.
    """
    words = _words(text)
    if not words:
        return None
    pieces = _SENTENCE_END.split(text)
    sentences = sum(any(c.isalnum() for c in piece) for piece in pieces)
    total = sum(syllables(word) for word in words)
    return 0.39 * len(words) / sentences + 11.8 * total / len(words) - 15.59


@lru_cache(maxsize=65536)
def syllables(word: str) -> int:
    """Syllables of an English word, at least 1: groups of vowels less a silent ending.

    A digit counts as one syllable, as it is read aloud.
    """
    lower = word.lower()
    letters = "".join(c if c.isalpha() else " " for c in lower).split()
    spoken = sum(max(1, len(_VOWELS.findall(_SILENT.sub("", part)))) for part in letters)
    return max(1, spoken + sum(c.isdigit() for c in lower))


def _words(text: str) -> list[str]:
    return [word for word in text.split() if any(c.isalnum() for c in word)]


def levenshtein(before: str, after: str) -> int:
    """Fewest characters to insert, delete or exchange that make one text the other.

    Source: Hyyrö 2003, "A bit-vector algorithm for computing Levenshtein and Damerau edit
    distances", Nordic Journal of Computing 10, figure 3: a column of the table is one integer.
    """
    before, after = _without_common_ends(before, after)
    if len(before) < len(after):
        before, after = after, before
    if not after:
        return len(before)
    places: dict[str, int] = {}
    for k, character in enumerate(before):
        places[character] = places.get(character, 0) | 1 << k
    every, last = (1 << len(before)) - 1, 1 << len(before) - 1
    up, down, distance = every, 0, len(before)
    for character in after:
        match = places.get(character, 0)
        diagonal = (((match & up) + up) ^ up) | match | down
        right, left = (down | ~(up | diagonal)) & every, up & diagonal
        distance += bool(right & last) - bool(left & last)
        right = right << 1 | 1
        up, down = (left << 1 | ~(right | diagonal)) & every, right & diagonal & every
    return distance


def _without_common_ends(a: str, b: str) -> tuple[str, str]:
    shorter = min(len(a), len(b))
    head = next((k for k in range(shorter) if a[k] != b[k]), shorter)
    a, b, shorter = a[head:], b[head:], shorter - head
    tail = next((k for k in range(shorter) if a[-1 - k] != b[-1 - k]), shorter)
    return a[: len(a) - tail], b[: len(b) - tail]


def edit_distance(before: str, after: str, edits: Sequence[Edit]) -> float:
    """Levenshtein distance of two prompts as a share of the longer one, 0 to 1.

    Where the edits are replacements alone it is the sum of their own distances: an upper bound
    that is met but for rare coincidences, and cheap for long prompts.
    """
    longer = max(len(before), len(after))
    if not longer:
        return 0.0
    replaced = [e for e in edits if isinstance(e, Replace)]
    if edits and len(replaced) == len(edits):
        return min(1.0, sum(levenshtein(e.before, e.after) for e in replaced) / longer)
    return levenshtein(before, after) / longer
